// The accelerator with a memory on its bus, so that no beat goes through Python.
//
// The memory answers bursts in order: the first beat of a read `latency` cycles after its address was taken,
// then a beat a cycle; a write is acknowledged `latency` cycles after its last beat. cocotb fills and reads the
// memory by files (see sim/board.py) and drives the host port. With BUS_PARITY each byte of a read beat comes with
// odd parity, and a write whose parity is wrong is answered with SLVERR. Not synthesizable, and not meant to be.
//
// Layers overlap, and the host sees their sum. So the board looks into the accelerator: it notes its counters at the
// end of each layer, and writes down what the tensor buffer of TENSOR_WORDS words holds then, where there is one: the
// next layer's outputs come later.

module board #(
    parameter BYTES = 16,            // of a beat
    parameter DEPTH = 1 << 16,       // beats of memory
    parameter QUEUE = 64,            // bursts that the memory remembers, each way
    parameter COUNTERS = 9           // of the accelerator, 32 bits each
) (
    input wire clk,
    input wire rst,
    input wire [7:0] s_axi_awaddr,
    input wire [2:0] s_axi_awprot,
    input wire s_axi_awvalid,
    output wire s_axi_awready,
    input wire [31:0] s_axi_wdata,
    input wire [3:0] s_axi_wstrb,
    input wire s_axi_wvalid,
    output wire s_axi_wready,
    output wire [1:0] s_axi_bresp,
    output wire s_axi_bvalid,
    input wire s_axi_bready,
    input wire [7:0] s_axi_araddr,
    input wire [2:0] s_axi_arprot,
    input wire s_axi_arvalid,
    output wire s_axi_arready,
    output wire [31:0] s_axi_rdata,
    output wire [1:0] s_axi_rresp,
    output wire s_axi_rvalid,
    input wire s_axi_rready,
    output wire irq
);
    localparam WIDTH = 8 * BYTES;
    localparam SHIFT = $clog2(BYTES);
    localparam PLACE = $clog2(QUEUE);

    // What cocotb sets and reads.
    reg load = 0;                    // strobe: put memory.bin into memory
    reg save = 0;                    // strobe: write a part of memory to memory.out
    reg tell = 0;                    // strobe: write the counters of `count` layers from `first` on to counters.out
    reg [31:0] first = 0;            // of the part, in beats
    reg [31:0] count = 0;
    reg [31:0] latency = 0;          // cycles
    reg [7:0] pauses = 0;            // of 256: how often each channel makes the other side wait
    reg [63:0] random = 64'h9E3779B97F4A7C15;
    reg [63:0] elapsed = 0;          // all cycles since the simulation began

    // How the bus is disturbed: at the read beat or the acknowledgement number `strike` since `arm`.
    reg arm = 0;                     // strobe
    reg [31:0] strike = 0;
    reg [31:0] flip = 32'hFFFFFFFF;  // bit of {parity, data} of the beat that changes on its way; beyond it: none
    reg [1:0] read_error = 0;        // responses
    reg [1:0] write_error = 0;
    reg [4:0] hold = 0;              // B, W, AW, R, AR: channels that stand still from then on, until the interrupt
    reg [31:0] beats = 0;            // since `arm`
    reg [31:0] acks = 0;
    wire [4:0] held = hold & {5{beats > strike}};

    reg [WIDTH-1:0] memory[0:DEPTH-1];
    integer file, got, i;

    wire [63:0] random_a = random ^ (random << 13);
    wire [63:0] random_b = random_a ^ (random_a >> 7);
    wire [127:0] dice = {random, random};

    wire m_awid, m_arid, m_awvalid, m_wvalid, m_wlast, m_bready, m_arvalid, m_rready;
    wire [31:0] m_awaddr, m_araddr;
    wire [7:0] m_awlen, m_arlen;
    wire [2:0] m_awsize, m_arsize;
    wire [1:0] m_awburst, m_arburst;
    wire [WIDTH-1:0] m_wdata;
    wire [BYTES-1:0] m_wstrb;
    reg m_awready = 0, m_wready = 0, m_bvalid = 0, m_arready = 0, m_rvalid = 0, m_rlast = 0;
    reg [WIDTH-1:0] m_rdata = 0;
    reg [1:0] m_rresp = 0, m_bresp = 0;
    wire [BYTES-1:0] m_wdatachk;
    reg [BYTES-1:0] m_rdatachk = 0;

    function [BYTES-1:0] odd_parity(input [WIDTH-1:0] beat);
        integer lane;
        for (lane = 0; lane < BYTES; lane = lane + 1) odd_parity[lane] = ~^beat[8 * lane +: 8];
    endfunction

    accelerator accelerator (
`ifdef BUS_PARITY
        .m_axi_rdatachk(m_rdatachk), .m_axi_wdatachk(m_wdatachk),
`endif
        .clk(clk), .rst(rst), .irq(irq),
        .s_axi_awaddr(s_axi_awaddr), .s_axi_awprot(s_axi_awprot), .s_axi_awvalid(s_axi_awvalid),
        .s_axi_awready(s_axi_awready), .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb),
        .s_axi_wvalid(s_axi_wvalid), .s_axi_wready(s_axi_wready), .s_axi_bresp(s_axi_bresp),
        .s_axi_bvalid(s_axi_bvalid), .s_axi_bready(s_axi_bready), .s_axi_araddr(s_axi_araddr),
        .s_axi_arprot(s_axi_arprot), .s_axi_arvalid(s_axi_arvalid), .s_axi_arready(s_axi_arready),
        .s_axi_rdata(s_axi_rdata), .s_axi_rresp(s_axi_rresp), .s_axi_rvalid(s_axi_rvalid),
        .s_axi_rready(s_axi_rready),
        .m_axi_awid(m_awid), .m_axi_awaddr(m_awaddr), .m_axi_awlen(m_awlen), .m_axi_awsize(m_awsize),
        .m_axi_awburst(m_awburst), .m_axi_awvalid(m_awvalid), .m_axi_awready(m_awready),
        .m_axi_wdata(m_wdata), .m_axi_wstrb(m_wstrb), .m_axi_wlast(m_wlast), .m_axi_wvalid(m_wvalid),
        .m_axi_wready(m_wready), .m_axi_bid(1'b0), .m_axi_bresp(m_bresp), .m_axi_bvalid(m_bvalid),
        .m_axi_bready(m_bready), .m_axi_arid(m_arid), .m_axi_araddr(m_araddr), .m_axi_arlen(m_arlen),
        .m_axi_arsize(m_arsize), .m_axi_arburst(m_arburst), .m_axi_arvalid(m_arvalid),
        .m_axi_arready(m_arready), .m_axi_rid(1'b0), .m_axi_rdata(m_rdata), .m_axi_rresp(m_rresp),
        .m_axi_rlast(m_rlast), .m_axi_rvalid(m_rvalid), .m_axi_rready(m_rready)
    );

    // Reads: addresses wait in a queue until their time has come.
    reg [31:0] read_address[0:QUEUE-1];
    reg [7:0] read_length[0:QUEUE-1];
    reg [63:0] read_time[0:QUEUE-1];
    reg [PLACE-1:0] read_first = 0, read_end = 0;
    reg [31:0] read_count = 0;
    reg [7:0] read_beat = 0;
    wire read_taken = m_arvalid & m_arready;
    wire read_free = ~m_rvalid | m_rready;
    wire read_now = read_free & (read_count != 0) & (read_time[read_first] <= elapsed) & ~(dice[3 +: 8] < pauses)
        & ~held[1];
    wire [WIDTH-1:0] read_data = memory[read_address[read_first] + read_beat];
    wire [WIDTH+BYTES-1:0] read_flips = beats == strike ? {{(WIDTH + BYTES - 1){1'b0}}, 1'b1} << flip : 0;
    wire read_last = read_beat == read_length[read_first];

    // Writes: data waits for its address; acknowledgements wait until their time has come.
    reg [31:0] write_address[0:QUEUE-1];
    reg [PLACE-1:0] write_first = 0, write_end = 0;
    reg [31:0] write_count = 0;
    reg [31:0] write_beat = 0;
    reg write_wrong = 0;             // parity of the burst so far
    reg [63:0] done_time[0:QUEUE-1];
    reg done_wrong[0:QUEUE-1];
    reg [PLACE-1:0] done_first = 0, done_end = 0;
    reg [31:0] done_count = 0;
    wire write_taken = m_awvalid & m_awready;
    wire write_now = m_wvalid & m_wready;
    wire done_free = ~m_bvalid | m_bready;
    wire done_now = done_free & (done_count != 0) & (done_time[done_first] <= elapsed) & ~(dice[19 +: 8] < pauses)
        & ~held[4];
`ifdef BUS_PARITY
    wire write_odd = m_wdatachk != odd_parity(m_wdata);
`else
    wire write_odd = 0;
`endif
    wire [31:0] write_place = (write_address[write_first] >> SHIFT) + write_beat;

    // Counters at the end of each layer, by its number.
    reg [32*COUNTERS-1:0] counted[0:65535];
    reg [15:0] layers = 0;

    always @(posedge clk) begin
        layers <= accelerator.host.layers;
        if (accelerator.host.layers != layers) counted[layers] <= accelerator.host.counters;
`ifdef TENSOR_WORDS
        if (accelerator.host.layers != layers && accelerator.host.layers != 0) begin
            file = $fopen("tensors.out", layers == 0 ? "wb" : "ab");
            for (i = 0; i < `TENSOR_WORDS; i = i + 1) $fwrite(file, "%u", accelerator.tensor_buffer.memory[i]);
            $fclose(file);
        end
`endif
        if (tell) begin
            tell <= 0;
            file = $fopen("counters.out", "wb");
            for (i = 0; i < count; i = i + 1) $fwrite(file, "%u", counted[first + i]);
            $fclose(file);
        end

        elapsed <= elapsed + 1;
        random <= random_b ^ (random_b << 17);
        if (load) begin
            load <= 0;
            file = $fopen("memory.bin", "rb");
            got = $fread(memory, file, first, count);
            $fclose(file);
        end
        if (save) begin
            save <= 0;
            file = $fopen("memory.out", "wb");
            for (i = 0; i < count; i = i + 1) $fwrite(file, "%u", memory[first + i]);
            $fclose(file);
        end

        if (irq) hold <= 0;
        if (arm) begin
            arm <= 0;
            beats <= 0;
            acks <= 0;
        end else begin
            beats <= beats + read_now;
            acks <= acks + done_now;
        end

        m_arready <= (read_count < QUEUE - 2) & ~(dice[35 +: 8] < pauses) & ~held[0];
        if (read_taken) begin
            read_address[read_end] <= m_araddr >> SHIFT;
            read_length[read_end] <= m_arlen;
            read_time[read_end] <= elapsed + latency;
            read_end <= read_end + 1;
        end
        if (m_rready) m_rvalid <= 0;
        if (read_now) begin
            m_rvalid <= 1;
            m_rdata <= read_data ^ read_flips[WIDTH-1:0];
            m_rdatachk <= odd_parity(read_data) ^ read_flips[WIDTH +: BYTES];
            m_rresp <= beats == strike ? read_error : 0;
            m_rlast <= read_last;
            read_beat <= read_last ? 0 : read_beat + 1;
            if (read_last) read_first <= read_first + 1;
        end
        read_count <= read_count + read_taken - (read_now & read_last);

        m_awready <= (write_count < QUEUE - 2) & ~(dice[43 +: 8] < pauses) & ~held[2];
        // ready falls before it could take data that has no address yet
        m_wready <= (write_count > 1 || (write_count == 1 && !(write_now & m_wlast))) & (done_count < QUEUE - 2)
            & ~(dice[51 +: 8] < pauses) & ~(write_now & m_wlast) & ~held[3];
        if (write_taken) begin
            write_address[write_end] <= m_awaddr;
            write_end <= write_end + 1;
        end
        if (write_now) begin
            for (i = 0; i < BYTES; i = i + 1)
                if (m_wstrb[i]) memory[write_place][8*i +: 8] <= m_wdata[8*i +: 8];
            write_beat <= m_wlast ? 0 : write_beat + 1;
            write_wrong <= ~m_wlast & (write_wrong | write_odd);
            if (m_wlast) begin
                write_first <= write_first + 1;
                done_time[done_end] <= elapsed + latency;
                done_wrong[done_end] <= write_wrong | write_odd;
                done_end <= done_end + 1;
            end
        end
        write_count <= write_count + write_taken - (write_now & m_wlast);
        if (m_bready) m_bvalid <= 0;
        if (done_now) begin
            m_bvalid <= 1;
            m_bresp <= acks == strike && write_error != 0 ? write_error : done_wrong[done_first] ? 2 : 0;
            done_first <= done_first + 1;
        end
        done_count <= done_count + (write_now & m_wlast) - done_now;
    end
endmodule
