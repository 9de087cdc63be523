"""Tiny Verilog designs whose mapped gates can be counted by hand."""

import re

GATES = """
module gates(input a, input b, input s, output [5:0] y);
  assign y[0] = ~a;
  assign y[1] = ~(a & b);
  assign y[2] = ~(a | b);
  assign y[3] = a & b;
  assign y[4] = a ^ b;
  assign y[5] = s ? a : b;
endmodule
"""

FLIP_FLOPS = """
module flip_flops(input clk, input rst, input en, input [4:0] d, output reg [4:0] q);
  always @(posedge clk) begin
    q[0] <= d[0];
    if (en) q[1] <= d[1];
    if (rst) q[2] <= 0; else q[2] <= d[2];
    if (rst) q[3] <= 1; else if (en) q[3] <= d[3];
  end
  always @(posedge clk or posedge rst) if (rst) q[4] <= 0; else q[4] <= d[4];
endmodule
"""

XOR_CELL = """
module xor_cell(input a, input b, output y);
  assign y = a ^ b;
endmodule
"""

# pair = 2 XOR; quad = 2 pairs and one XOR of its own; top = 3 quads and 1 pair: 3 * 5 + 2 = 17 XOR.
HIERARCHY = (
    XOR_CELL
    + """
module pair(input [2:0] x, output y);
  wire t;
  xor_cell first(.a(x[0]), .b(x[1]), .y(t));
  xor_cell second(.a(t), .b(x[2]), .y(y));
endmodule

module quad(input [5:0] x, output y);
  wire s, t;
  pair low(.x(x[2:0]), .y(s));
  pair high(.x(x[5:3]), .y(t));
  assign y = s ^ t;
endmodule

module tree(input [20:0] x, output [3:0] y);
  quad a(.x(x[5:0]), .y(y[0]));
  quad b(.x(x[11:6]), .y(y[1]));
  quad c(.x(x[17:12]), .y(y[2]));
  pair d(.x(x[20:18]), .y(y[3]));
endmodule
"""
)

# Two instances of a 64 x 8 memory with a synchronous read port, and no gate.
MEMORY = """
module store(input clk, input we, input [5:0] address, input [7:0] in, output reg [7:0] out);
  reg [7:0] words [0:63];
  always @(posedge clk) begin
    out <= words[address];
    if (we) words[address] <= in;
  end
endmodule

module two_stores(input clk, input we, input [5:0] address, input [15:0] in, output [15:0] out);
  store low(.clk(clk), .we(we), .address(address), .in(in[7:0]), .out(out[7:0]));
  store high(.clk(clk), .we(we), .address(address), .in(in[15:8]), .out(out[15:8]));
endmodule
"""

MULTIPLIER = """
module multiplier(input clk, input signed [7:0] a, input signed [7:0] b, output reg signed [15:0] y);
  always @(posedge clk) y <= a * b;
endmodule
"""

# A library of six cells in round numbers.
LIBERTY = """
/* area : 99 in a comment is not read */
library (tiny) {
  cell (BUF) { area : 1.5; pin (A) { direction : input; }
    pin (Y) { direction : output; function : "A"; } }
  cell (INV) { area : 1; pin (A) { direction : input; }
    pin (Y) { direction : output; function : "A'"; } }
  cell (NAND2) { area : 2; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "(A*B)'"; } }
  cell ("XOR2") { area : 3.5; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "(A*B')+(A'*B)"; } }
  cell (DFF) { area : 6; ff (IQ, IQN) { clocked_on : "C"; next_state : "D"; }
    pin (C) { direction : input; clock : true; } pin (D) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""

# Picoseconds of each gate of `TIMED_LIBERTY`, whatever drives it and whatever it drives.
DELAYS = {"BUF": 5, "INV": 10, "NAND2": 20, "XOR2": 50}


def _timing(pin: str, delay: int) -> str:
    tables = "".join(
        f'{name} (grid) {{ values ("{value}, {value}", "{value}, {value}"); }} '
        for name, value in (
            ("cell_rise", delay),
            ("cell_fall", delay),
            ("rise_transition", 1),
            ("fall_transition", 1),
        )
    )
    return f'timing () {{ related_pin : "{pin}"; timing_sense : non_unate; {tables}}} '


def _timed(liberty: str) -> str:
    """The library with a constant delay from each input of a gate to its output."""
    head, *cells = re.split(r"(?=  cell \()", liberty)
    head += """
  time_unit : "1ps"; capacitive_load_unit (1, ff);
  lu_table_template (grid) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("1, 100"); index_2 ("1, 100"); }
"""
    for index, cell in enumerate(cells):
        name = re.match(r'  cell \("?(\w+)', cell)[1]
        cell = cell.replace("direction : input;", "direction : input; capacitance : 1;")
        if name in DELAYS:
            arcs = "".join(
                _timing(pin, DELAYS[name]) for pin in re.findall(r"pin \((\w)\) { direction : input", cell)
            )
            cell = cell.replace("direction : output;", f"direction : output; {arcs}")
        cells[index] = cell
    return head + "".join(cells)


TIMED_LIBERTY = _timed(LIBERTY)
