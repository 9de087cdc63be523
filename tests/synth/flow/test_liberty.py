import gzip
import os
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.flow.liberty import Liberty, load_liberty
from shiftbook.synth.flow.mapping import borders, map_designs, map_flat
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.netlist import Netlist, parse_delays
from shiftbook.synth.technologies.technology import technology
from tests.synth import designs


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.lib"
    path.write_text(designs.LIBERTY)
    return path


def mapped(verilog: str, top: str, library: Liberty) -> Netlist:
    return map_designs({"it": Design(top, verilog)}, library, liberty=library)["it"]


def test_areas_are_read(tiny: Path) -> None:
    assert load_liberty([tiny]).areas == {"BUF": 1.5, "INV": 1.0, "NAND2": 2.0, "XOR2": 3.5, "DFF": 6.0}


def test_area_is_counted_by_instance(tiny: Path) -> None:
    library = load_liberty([tiny])
    netlist = mapped(designs.HIERARCHY, "tree", library)
    assert netlist.modules["xor_cell"].cells == {"XOR2": 1}
    assert netlist.cost(library) == 17 * 3.5


def test_flip_flops_map_to_the_library(tiny: Path) -> None:
    library = load_liberty([tiny])
    design = (
        "module delay(input clk, input [2:0] d, output reg [2:0] q); always @(posedge clk) q <= d; endmodule"
    )
    assert mapped(design, "delay", library).cost(library) == 3 * 6


def test_gzip_and_several_files_make_one_library(tmp_path: Path, tiny: Path) -> None:
    head, cells = designs.LIBERTY.split("library (tiny) {")
    gates, flip_flop = cells.split("  cell (DFF)")
    first, second = tmp_path / "gates.lib.gz", tmp_path / "seq.lib"
    first.write_bytes(gzip.compress(f"{head}library (gates) {{{gates}}}".encode()))
    second.write_text(f"library (seq) {{\n  cell (DFF){flip_flop}")
    library = load_liberty([first, second])
    assert library.areas == load_liberty([tiny]).areas
    netlist = mapped(designs.MULTIPLIER, "multiplier", library)
    assert netlist.modules["multiplier"].cells["DFF"] == 16


STRING = r'"see http://a.org/* and \" // */"'
COMMENTED = (
    "// a { brace that never closes\n/* library (no) { // */\n"
    + designs.LIBERTY.replace(
        "cell (INV)", "/* cell (OLD) { area : 9; } */ cell /* here too */ (INV)"
    ).replace("cell (BUF)", f"// cell (OLD) {{ area : 9; }}\n  comment : {STRING};\n  cell (BUF)")
    + "// the end"
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        COMMENTED.encode(),
        COMMENTED.replace("\n", "\r\n").encode(),
        f"// 1 \xb5m, J\xfcrgen\n{COMMENTED}".encode("latin-1"),
        f"// 1 \xb5m, J\xfcrgen\n{COMMENTED}".encode("utf-8-sig"),
    ],
    ids=["comments", "lines as DOS ends them", "Latin-1", "a byte order mark"],
)
def test_a_library_as_vendors_write_it(tmp_path: Path, tiny: Path, content: bytes, pack) -> None:
    path = tmp_path / "vendor.lib"
    path.write_bytes(pack(content))
    library = load_liberty([path])
    assert library.areas == load_liberty([tiny]).areas
    assert b"""comment : "see http:/ /a.org/ * and ' / / */";""" in library.files["cells0.lib"]


def test_yosys_reads_what_is_left_of_such_a_library(tmp_path: Path) -> None:
    path = tmp_path / "vendor.lib"
    path.write_bytes(f"// 1 \xb5m\n{COMMENTED}".encode("latin-1"))
    library = load_liberty([path])
    assert mapped(designs.HIERARCHY, "tree", library).cost(library) == 17 * 3.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "is not a Liberty file: it must begin with 'library"),
        (b"\xff\xfe", "is not a Liberty file: it is not text"),
        (b"library (x) {\x00}", "is not a Liberty file: it is not text"),
        (designs.LIBERTY.encode("utf-16"), "is not a Liberty file: it is not text"),
        (gzip.compress(designs.LIBERTY.encode())[:-30], "cannot read Liberty file"),
        (designs.LIBERTY[:-40].encode(), "its braces do not match"),
        (b"library (empty) { }", "has no cell with an area"),
        (b"library (gates) { cell (INV) { area : 1; } }", "has no flip-flop"),
        (b"library (x) { cell (D) { area : 1.2.3; ff (a, b) { } } }", "area of cell D .* not '1.2.3'"),
    ],
)
def test_a_bad_library_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.lib"
    path.write_bytes(content)
    with pytest.raises(ShiftbookError, match=message) as caught:
        load_liberty([path])
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShiftbookError, match=r"cannot read Liberty file .*No such file"):
        load_liberty([tmp_path / "none.lib"])
    with pytest.raises(ShiftbookError, match="at least one Liberty file"):
        load_liberty([])


def test_a_library_without_a_basic_gate_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "poor.lib"
    path.write_text(designs.LIBERTY.replace("cell (NAND2)", "cell_of_another_kind (NAND2)"))
    with pytest.raises(ShiftbookError, match=r"cannot be mapped to poor.lib: abc needs at least") as caught:
        mapped(designs.MULTIPLIER, "multiplier", load_liberty([path]))
    assert "\n" not in str(caught.value)


def test_a_library_without_the_flip_flop_needed_is_one_line(tiny: Path) -> None:
    with pytest.raises(ShiftbookError, match=r"cannot be mapped to tiny.lib: FF .*async"):
        mapped(designs.FLIP_FLOPS, "flip_flops", load_liberty([tiny]))


def test_a_cell_without_an_area_is_an_error(tiny: Path) -> None:
    with pytest.raises(ShiftbookError, match="must have an area for cell 'AOI21'"):
        load_liberty([tiny]).total({"INV": 1, "AOI21": 1})


def test_the_longest_path_ends_at_a_module_and_crosses_it_when_flat(tmp_path: Path) -> None:
    path = tmp_path / "timed.lib"
    path.write_text(designs.TIMED_LIBERTY)
    library = load_liberty([path])
    assert library.timed
    netlist = mapped(designs.HIERARCHY, "tree", library)
    delays = {name: module.delay for name, module in netlist.modules.items()}
    assert delays == {"xor_cell": 50, "pair": 0, "quad": 50, "tree": 0}
    assert netlist.slowest() == "quad"
    flat = map_flat(Design("tree", designs.HIERARCHY), library, liberty=library)
    assert flat.modules["tree"].delay == 3 * 50
    assert flat.cost(library) == netlist.cost(library)


def test_a_library_without_delays_has_areas_only(tiny: Path) -> None:
    library = load_liberty([tiny])
    assert not library.timed
    assert mapped(designs.HIERARCHY, "tree", library).modules["quad"].delay is None


def test_a_delay_belongs_to_the_module_before_it() -> None:
    head = "6.2. Extracting gate netlist of module `\\{}' to `<abc-temp-dir>/input.blif'..\n"
    delay = (
        'ABC: WireLoad = "none"  Gates =    438 (  6.2 %)   Cap =  1.5 ff   Delay =   472.01 ps  ( 13.5 %)\n'
    )
    assert parse_delays(head.format("empty") + head.format("full") + delay) == {"full": 472.01}
    with pytest.raises(RuntimeError, match=r"a delay of 472.01 ps in the log belongs to no module"):
        parse_delays(head.format("full") + delay + delay)


def test_a_real_library() -> None:
    names = os.environ.get("SHIFTBOOK_LIBERTY", "").split()
    if not names:
        pytest.skip("SHIFTBOOK_LIBERTY names no Liberty files")
    library = load_liberty([Path(name) for name in names])
    netlist = mapped(designs.MULTIPLIER, "multiplier", library)
    assert netlist.cost(library) > 0
    assert netlist.modules["multiplier"].delay
    assert sum(netlist.modules["multiplier"].cells.values()) > 100


def test_what_cells_take_of_power_is_left_out(tmp_path: Path) -> None:
    power = 'internal_power () { related_pin : "A"; rise_power (grid) { values ("1, 2"); } }'
    path, plain_file = tmp_path / "power.lib", tmp_path / "plain.lib"
    plain_file.write_text(designs.TIMED_LIBERTY)
    path.write_text(designs.TIMED_LIBERTY.replace("cell (INV) {", f"cell (INV) {{ {power}", 1))
    (plain,) = load_liberty([plain_file]).files.values()
    (stripped,) = load_liberty([path]).files.values()
    assert b"internal_power" in path.read_bytes()
    assert stripped.split() == plain.split()


def test_the_technology_of_a_library_drives_and_loads_modules(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "known.lib"
    path.write_text(designs.LIBERTY.replace("cell (BUF)", "cell (BUFx2_ASAP7_75t_R)", 1))
    known = load_liberty([path])
    assert known.technology is technology("asap7")
    assert load_liberty([tiny]).technology is None
    assert borders(technology("asap7")) == "set_driving_cell BUFx2_ASAP7_75t_R\nset_load 2.0\n"
