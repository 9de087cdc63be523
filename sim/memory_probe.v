// Counts the cycles in which a port of a memory of the accelerator is used, while the accelerator works. Writes the
// count so far to accesses.out at the end of each layer, and when the accelerator is done. See sim/probes.py.

module memory_probe #(
    parameter PORT = "",             // kind of memory, and "read" or "write"
    parameter WIDTH = 1
) (
    input wire clk,
    input wire [WIDTH-1:0] enable
);
    reg [63:0] total = 0;
    reg [15:0] layers = 0;
    reg busy = 0;
    integer file;

    always @(posedge clk) begin
        layers <= board.accelerator.host.layers;
        busy <= board.accelerator.host.busy;
        if (board.accelerator.host.busy) total <= total + (|enable);
        if (board.accelerator.host.layers != layers || (busy && !board.accelerator.host.busy)) begin
            file = $fopen("accesses.out", "a");
            $fwrite(file, "%s %m %0d\n", PORT, total);
            $fclose(file);
        end
    end
endmodule
