from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.flow.weights import NAND2_TABLE, load_weights


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("$_NOT_", 0.67),
        ("$_NAND_", 1.0),
        ("$_NOR_", 1.0),
        ("$_AND_", 1.33),
        ("$_OR_", 1.33),
        ("$_XOR_", 2.33),
        ("$_XNOR_", 2.33),
        ("$_MUX_", 2.33),
        ("$_DFF_P_", 5.67),
        ("$_DFF_N_", 5.67),
        ("$_DFFE_PP_", 5.67 + 2.33),
        ("$_SDFF_PP0_", 5.67 + 1.33),
        ("$_DFF_PP1_", 5.67 + 1.33),
        ("$_SDFFE_PN1P_", 5.67 + 2.33 + 1.33),
        ("$_SDFFCE_PP0N_", 5.67 + 2.33 + 1.33),
        ("$_DFFE_PP0P_", 5.67 + 2.33 + 1.33),
        ("$mem_v2", 0.0),
    ],
)
def test_every_mapped_cell_has_the_published_weight(cell: str, expected: float) -> None:
    assert load_weights().cell(cell) == pytest.approx(expected)


@pytest.mark.parametrize(
    "cell", ["$_DLATCH_P_", "$_ALDFF_PP_", "$_DFFSR_PPP_", "$mul", "$assert", "$scopeinfo"]
)
def test_an_unknown_cell_is_an_error_and_never_free(cell: str) -> None:
    with pytest.raises(ShiftbookError, match=r"no gate weight for cell .*the table must name it"):
        load_weights().total({"$_AND_": 3, cell: 1})


def test_another_table_prices_other_cells(tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    table.write_text(NAND2_TABLE.read_text().replace('"$_NOT_" = 0.67', '"$_NOT_" = 0.5\n"$_DLATCH_P_" = 4'))
    weights = load_weights(table)
    assert weights.total({"$_NOT_": 2, "$_DLATCH_P_": 1}) == 5.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gates = [", "must be a readable TOML file"),
        ("[gates]", r"must have the tables \[gates\] and \[flip_flop\]"),
        ("[gates]\n[flip_flop]\nplain = 1", "must have plain, enable and reset, not plain"),
        ('[gates]\n"$_NOT_" = "a"\n[flip_flop]\nplain = 1\nenable = 1\nreset = 1', r"\$_NOT_ .* not 'a'"),
        (
            "[gates]\n[flip_flop]\nplain = nan\nenable = 1\nreset = 1",
            "plain .* must be a number >= 0, not nan",
        ),
        (
            "[gates]\n[flip_flop]\nplain = 1\nenable = -1\nreset = 1",
            "enable .* must be a number >= 0, not -1",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "bad.toml"
    table.write_text(text)
    with pytest.raises(ShiftbookError, match=message) as caught:
        load_weights(table)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShiftbookError, match="No such file"):
        load_weights(tmp_path / "none.toml")
