// Tell what the logic of the accelerator does in windows of time. windows.hex has the cycles of a window, and the
// cycles in which windows begin, counted while the accelerator works. See sim/samples.py.

module sample_windows (
    input wire clk
);
    reg [31:0] plan [0:65535];
    reg [31:0] cycle = 0;
    reg [31:0] left = 0;
    reg [15:0] next = 1;
    integer place, file;
    wire busy = board.accelerator.host.busy;
    wire active = busy && left != 0;

    initial begin
        for (place = 0; place < 65536; place = place + 1) plan[place] = 32'hFFFFFFFF;
        $readmemh("windows.hex", plan);
    end

    always @(posedge clk) if (busy) begin
        cycle <= cycle + 1;
        if (left != 0) left <= left - 1;
        if (cycle == plan[next]) begin
            left <= plan[0];
            next <= next + 1;
            file = $fopen("windows.out", "a");
            $fwrite(file, "%0d\n", board.accelerator.host.layers);
            $fclose(file);
        end
    end
endmodule

// Writes values, a line for each cycle of a window, where a file of its path awaits them.
module logic_probe #(
    parameter WIDTH = 1
) (
    input wire [WIDTH-1:0] values
);
    string name;
    integer file;
    reg busy = 0;

    initial begin
        name = $sformatf("%m.samples");
        file = $fopen(name, "r");
        if (file != 0) begin
            $fclose(file);
            file = $fopen(name, "w");
        end
    end

    // Some modules have no clock of their own.
    always @(posedge board.clk) begin
        busy <= board.accelerator.host.busy;
        if (file != 0 && board.accelerator.sampling.active) $fwrite(file, "%h\n", values);
        if (file != 0 && busy && !board.accelerator.host.busy) $fflush(file);
    end
endmodule
