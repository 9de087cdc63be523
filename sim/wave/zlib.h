// The two functions of zlib that Verilator's FST writer calls, so that waveforms need no system library.
//
// The stream is stored, not compressed: the writer then keeps the plain data, which are time stamps and
// initial values, a small part of a file.
#pragma once

#include <cstring>
#include <initializer_list>

typedef unsigned char Bytef;
typedef unsigned long uLong;
typedef unsigned long uLongf;

constexpr int Z_OK = 0;

inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

inline int compress2(Bytef* target, uLongf* target_size, const Bytef* source, uLong size, int /* level */) {
    Bytef* out = target;
    *out++ = 0x78;
    *out++ = 0x01;
    uLong a = 1, b = 0, left = size;  // Adler-32
    do {
        const uLong length = left < 65535 ? left : 65535;
        left -= length;
        *out++ = left == 0;  // final block, stored
        for (const uLong value : {length, ~length}) {
            *out++ = static_cast<Bytef>(value);
            *out++ = static_cast<Bytef>(value >> 8);
        }
        if (length) std::memcpy(out, source, length);
        for (uLong i = 0; i < length; ++i) {
            a = (a + source[i]) % 65521;
            b = (b + a) % 65521;
        }
        out += length;
        source += length;
    } while (left);
    for (const uLong value : {b, a}) {
        *out++ = static_cast<Bytef>(value >> 8);
        *out++ = static_cast<Bytef>(value);
    }
    *target_size = static_cast<uLongf>(out - target);
    return Z_OK;
}
