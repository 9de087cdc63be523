// The two functions of liblz4 that Verilator's FST writer calls, so that waveforms need no system library.
//
// LZ4 block format: sequences of (token, literals, 16-bit offset, match). The upper and lower four bits of a
// token count literals and match bytes beyond 4; 15 is continued by bytes of which the last is below 255.
// The last 5 bytes are literals, and no match starts within the last 12.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

namespace shiftbook_lz4 {

constexpr int HASH_BITS = 14, FARTHEST = 65535, NO_MATCH_TAIL = 12, LITERAL_TAIL = 5, SHORTEST = 4;

inline uint32_t four(const uint8_t* p) {
    uint32_t value;
    std::memcpy(&value, p, 4);
    return value;
}

inline uint8_t* count(uint8_t* out, int value) {
    for (value -= 15; value >= 255; value -= 255) *out++ = 255;
    *out++ = static_cast<uint8_t>(value);
    return out;
}

// One sequence; without a match (`length` 0) it is the last.
inline uint8_t* sequence(uint8_t* out, const uint8_t* literals, int size, int offset, int length) {
    const int more = length ? length - SHORTEST : 0;
    *out++ = static_cast<uint8_t>((size < 15 ? size : 15) << 4 | (more < 15 ? more : 15));
    if (size >= 15) out = count(out, size);
    if (size) std::memcpy(out, literals, size);
    out += size;
    if (length) {
        *out++ = static_cast<uint8_t>(offset);
        *out++ = static_cast<uint8_t>(offset >> 8);
        if (more >= 15) out = count(out, more);
    }
    return out;
}

}  // namespace shiftbook_lz4

// Greedy, with a table of the last place of each hash of four bytes. `capacity` must be the bound.
inline int LZ4_compress_default(const char* source, char* target, int size, int /* capacity */) {
    using namespace shiftbook_lz4;
    const uint8_t* const in = reinterpret_cast<const uint8_t*>(source);
    uint8_t* const begin = reinterpret_cast<uint8_t*>(target);
    uint8_t* out = begin;
    std::vector<int> last(1 << HASH_BITS, -1);
    int done = 0;  // everything before it is written
    for (int at = 0; at < size - NO_MATCH_TAIL;) {
        int& place = last[four(in + at) * 2654435761u >> (32 - HASH_BITS)];
        const int from = place;
        place = at;
        if (from < 0 || at - from > FARTHEST || four(in + from) != four(in + at)) {
            ++at;
            continue;
        }
        int length = SHORTEST;
        while (at + length < size - LITERAL_TAIL && in[from + length] == in[at + length]) ++length;
        out = sequence(out, in + done, at - done, at - from, length);
        done = at += length;
    }
    out = sequence(out, in + done, size - done, 0, 0);
    return static_cast<int>(out - begin);
}
