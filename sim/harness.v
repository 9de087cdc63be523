// Plays layer files on an engine, so that nothing outside the simulator runs in a cycle.
//
// cocotb sets `go` once a layer. The harness then reads layer.bin (big-endian; see sim/harness.py), writes
// the configuration, loads the streams into memories, and for every tile fills the banks, starts the
// engine, feeds and drains it. Outputs go to outputs.bin, the engine's counters to counters.bin, both as
// 32-bit words in the machine's own byte order. Not synthesizable, and not meant to be.

// A stream source that replays words from a memory from the start whenever it is told to rewind.
module feeder #(
    parameter WIDTH = 16,
    parameter DEPTH = 1024
) (
    input wire clk,
    input wire load,            // read a count and that many words from `file`
    input wire [31:0] file,
    input wire rewind,
    input wire pause,           // offer nothing new after this edge
    output wire [WIDTH-1:0] payload,
    output reg valid,
    input wire ready
);
    reg [WIDTH-1:0] memory[0:DEPTH-1];
    reg [31:0] count = 0;
    reg [31:0] next = 0;
    integer got;

    initial valid = 0;
    assign payload = memory[next[$clog2(DEPTH)-1:0]];

    wire moved = valid & ready;
    wire [31:0] following = next + {31'b0, moved};

    always @(posedge clk) begin
        if (load) begin
            got = $fread(count, file);
            if (count != 0) got = $fread(memory, file, 0, count);
        end
        if (rewind) begin
            next <= 0;
            valid <= 0;
        end else begin
            next <= following;
            valid <= (following < count) & ((valid & ~ready) | ~pause);
        end
    end
endmodule

module harness #(
    parameter SLOTS = 4,             // all from the spec: sim/harness.py
    parameter STREAMS = 8,           // weight streams: gaps of all slots, then codes
    parameter WORD_WIDTH = 16,
    parameter CHANNEL_WIDTH = 40,
    parameter ADDRESS_WIDTH = 8,
    parameter PLANE_WIDTH = 512,
    parameter BEAT_WIDTH = 64,       // an output beat in whole 32-bit words
    parameter WORD_DEPTH = 1 << 18,
    parameter CHANNEL_DEPTH = 1 << 12
) (
    input wire clk
);
    localparam FEEDERS = STREAMS + 1;
    localparam [3:0] IDLE = 0, OPEN = 1, CONFIGURE = 2, LOAD = 3, TILE = 4, FILL = 5, START = 6, RUN = 7,
        RECORD = 8, HEADER = 9;

    // What cocotb sees.
    reg go = 0;                      // strobe: play layer.bin
    reg done = 0;                    // the layer is over
    reg hung = 0;                    // it took more than `limit` cycles for a tile
    reg [31:0] limit = 0;
    reg [31:0] tiles_done = 0;
    reg [63:0] elapsed = 0;          // all cycles since the simulation began
    reg [7:0] idle = 0;              // of 256: how often a source offers nothing new
    reg [7:0] backpressure = 0;      // of 256: how often the sink is not ready

    reg [3:0] state = IDLE;
    integer layer, outputs, counters;
    reg [31:0] left = 0;             // of what the state counts
    reg [31:0] tiles = 0;
    reg [31:0] beats = 0;
    reg [31:0] running = 0;
    reg rst = 1;

    // One xorshift register; each user looks at other bits of it.
    reg [63:0] random = 64'h9E3779B97F4A7C15;
    wire [63:0] random_a = random ^ (random << 13);
    wire [63:0] random_b = random_a ^ (random_a >> 7);
    wire [127:0] dice = {random, random};

    reg [31:0] config_address = 0;
    reg [31:0] config_data = 0;
    reg config_valid = 0;
    reg [31:0] tile_mask = 0;
    reg [31:0] tile_address = 0;
    reg [PLANE_WIDTH-1:0] tile_plane = 0;
    reg tile_valid = 0;
    reg output_ready = 0;

    wire [STREAMS*WORD_WIDTH-1:0] words;
    wire [STREAMS-1:0] words_valid, words_ready;
    wire [CHANNEL_WIDTH-1:0] channel;
    wire channel_valid, channel_ready;
    wire [BEAT_WIDTH-1:0] beat;
    wire beat_valid;
    wire engine_busy, engine_done;
    wire [31:0] cycles, terms, stalls;
    wire [1:0] error;

    wire rewind = state != RUN && state != START;
    genvar i;
    generate
        for (i = 0; i < STREAMS; i = i + 1) begin : stream
            feeder #(.WIDTH(WORD_WIDTH), .DEPTH(WORD_DEPTH)) source (
                .clk(clk), .load(state == LOAD && left == i), .file(layer), .rewind(rewind),
                .pause(dice[(5*i)%64 +: 8] < idle), .payload(words[i*WORD_WIDTH +: WORD_WIDTH]),
                .valid(words_valid[i]), .ready(words_ready[i])
            );
        end
    endgenerate
    feeder #(.WIDTH(CHANNEL_WIDTH), .DEPTH(CHANNEL_DEPTH)) channels (
        .clk(clk), .load(state == LOAD && left == STREAMS), .file(layer), .rewind(rewind),
        .pause(dice[47 +: 8] < idle), .payload(channel), .valid(channel_valid), .ready(channel_ready)
    );

    engine_ports engine (
        .clk(clk), .rst(rst), .start(state == START), .busy(engine_busy), .done(engine_done),
        .config_valid(config_valid), .config_payload({config_data, config_address[15:0]}),
        .words(words), .words_valid(words_valid), .words_ready(words_ready),
        .channel(channel), .channel_valid(channel_valid), .channel_ready(channel_ready),
        .tile_payload({tile_plane, tile_address[ADDRESS_WIDTH-1:0], tile_mask[SLOTS-1:0]}),
        .tile_valid(tile_valid), .beat(beat), .beat_valid(beat_valid), .beat_ready(output_ready),
        .cycles(cycles), .terms(terms), .stalls(stalls), .error(error)
    );

    function automatic [31:0] number(input integer file);
        integer got;
        got = $fread(number, file);
    endfunction

    function automatic [PLANE_WIDTH-1:0] plane(input integer file);
        integer got;
        got = $fread(plane, file);
    endfunction

    always @(posedge clk) begin
        elapsed <= elapsed + 1;
        rst <= 0;
        random <= random_b ^ (random_b << 17);
        config_valid <= 0;
        tile_valid <= 0;
        output_ready <= dice[23 +: 8] >= backpressure;
        case (state)
            IDLE: if (go) begin
                go <= 0;
                done <= 0;
                hung <= 0;
                tiles_done <= 0;
                state <= OPEN;
            end
            OPEN: begin
                layer = $fopen("layer.bin", "rb");
                outputs = $fopen("outputs.bin", "wb");
                counters = $fopen("counters.bin", "wb");
                state <= HEADER;
            end
            HEADER: begin
                left <= number(layer);
                state <= CONFIGURE;
            end
            CONFIGURE: if (left != 0) begin
                left <= left - 1;
                config_address <= number(layer);
                config_data <= number(layer);
                config_valid <= 1;
            end else state <= LOAD;
            LOAD: begin
                left <= left + 1;
                if (left == FEEDERS) begin
                    tiles <= number(layer);
                    state <= TILE;
                end
            end
            TILE: if (tiles_done == tiles || hung) begin
                $fclose(layer);
                $fclose(outputs);
                $fclose(counters);
                done <= 1;
                state <= IDLE;
            end else begin
                left <= number(layer);
                state <= FILL;
            end
            FILL: if (left != 0) begin
                left <= left - 1;
                tile_mask <= number(layer);
                tile_address <= number(layer);
                tile_plane <= plane(layer);
                tile_valid <= 1;
            end else state <= START;
            START: begin
                beats <= 0;
                running <= 0;
                state <= RUN;
            end
            RUN: begin
                running <= running + 1;
                if (beat_valid & output_ready) begin
                    beats <= beats + 1;
                    $fwrite(outputs, "%u", beat);
                end
                if (engine_done || running == limit) begin
                    hung <= !engine_done;
                    state <= RECORD;
                end
            end
            RECORD: begin
                $fwrite(counters, "%u%u%u%u%u", cycles, terms, stalls, {30'b0, error}, beats);
                tiles_done <= tiles_done + 1;
                state <= TILE;
            end
            default: state <= IDLE;
        endcase
    end
endmodule
