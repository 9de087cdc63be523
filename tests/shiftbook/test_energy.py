"""`shiftbook energy`: counts times prices, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shiftbook import cli
from shiftbook.api.energy import Energy, LayerEnergy, energy, name_of
from shiftbook.commands.energy import energy_table
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.statistics.decomposed import macs_of
from shiftbook.sim import driver
from tests.shiftbook.test_inspect import refused
from tests.sim.networks import SMALL, everything

BANK_READ = (0.0166 + 2.759e-5 * 128) * (1 + 0.2887 * 16)
BANK_WRITE = (0.02477 + 3.513e-5 * 128) * (1 + 0.2518 * 16)
"""Picojoules of 128 words of 16 bits with two ports, by the rules in asap7.toml."""


@pytest.fixture(scope="module")
def found() -> Energy:
    return energy(everything(SMALL), SMALL, "asap7")


def test_counts_times_prices(found: Energy) -> None:
    (banks,) = (memory for memory in found.memories if memory.name == "activation banks")
    assert (banks.count, banks.words, banks.bits) == (SMALL.slots * SMALL.lanes, 128, 16)
    assert banks.pj == pytest.approx(banks.reads * BANK_READ + banks.writes * BANK_WRITE, rel=1e-9)
    counted = [memory.pj for memory in found.memories if memory.pj is not None]
    assert found.pj == pytest.approx(sum(counted), rel=1e-12)
    assert counted == sorted(counted, reverse=True)
    assert all(memory.held_by == "flip-flops" for memory in found.memories if memory.pj is None)


def test_layers_add_up(found: Energy) -> None:
    assert sum(layer.pj for layer in found.layers) == pytest.approx(found.pj, rel=1e-9)
    assert found.macs == sum(macs_of(everything(SMALL)).values())
    assert all(layer.pj > 0 for layer in found.layers)


def test_a_network_without_products_has_no_energy_of_one() -> None:
    pools = Energy("asap7", "2x2", (), (LayerEnergy("pool", 9, None, 3.0),))
    assert pools.per_mac is None
    assert "MAC" not in energy_table(pools).splitlines()[-1].partition("(")[0]


def test_decoders_of_gaps_and_of_codes_are_apart(found: Energy) -> None:
    """They have the same name for people, and other sizes."""
    symbols = [memory for memory in found.memories if memory.name == "symbols of gaps and codes"]
    assert [memory.count for memory in symbols] == [SMALL.slots] * 2


def test_another_technology_has_other_prices(found: Energy) -> None:
    other = energy(everything(SMALL), SMALL, "ihp-sg13g2")
    assert [memory.reads for memory in other.memories if memory.name == "activation banks"] == [
        memory.reads for memory in found.memories if memory.name == "activation banks"
    ]
    assert other.pj > 10 * found.pj


def test_unknown_memories_are_named_by_their_module() -> None:
    assert name_of("bank_memory_v2.memory") == "activation banks"
    assert name_of("huffman_decoder_v2.memory") == "symbols of gaps and codes"
    assert name_of("residual_reader.memory_3") == "residuals"
    assert name_of("stream_fetcher.sums") == "stream fetcher: sums"


def test_the_command(checkpoint, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    path = tmp_path / "energy.json"
    assert cli.main(["energy", str(checkpoint), "--lanes", "2x2", "--json", str(path)]) == 0
    told = capsys.readouterr().out
    report = json.loads(path.read_text())
    assert report["technology"] == "asap7"
    assert f"memories {report['pj'] / 1e6:.3f} microjoules an image" in told
    assert "activation banks" in told
    assert "logic is not counted: asap7 needs its cell library, and SHIFTBOOK_ASAP7 is not set" in told
    assert report["logic"] is report["total_pj"] is None


def test_an_image_of_the_command_line_runs(checkpoint, data, tmp_path, monkeypatch) -> None:
    run_rtl, taken = driver.run_rtl, []

    def seen(network, images, *args, **options):
        taken.append(images[:1])
        return run_rtl(network, images, *args, **options)

    monkeypatch.setattr(driver, "run_rtl", seen)
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    path = tmp_path / "energy.json"
    options = ["--lanes", "2x2", "--json", str(path)]
    assert cli.main(["energy", str(checkpoint), *options]) == 0
    noise = json.loads(path.read_text())
    assert cli.main(["energy", str(checkpoint), "--data", str(data), *options]) == 0
    found = json.loads(path.read_text())
    assert found["pj"] == noise["pj"], "accesses do not depend on pixels"
    assert (noise["data"], found["data"]) == (None, str(data))
    assert any((image == taken[1][0]).all() for image in np.load(data)["x"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tech", "tsmc5"], "a technology must be one of asap7, gf180mcu, ihp-sg13g2"),
        (["--tech", "nangate45"], "no energy of nangate45's memories is published: take one of asap7"),
        (["--lanes", "8"], "lanes must be ROWSxCOLUMNS"),
        (["--crop", "8"], "--crop needs images: add --data D"),
        (["--data", "nowhere.npz"], "nowhere.npz"),
    ],
)
def test_bad_options(options, message, checkpoint, tmp_path, capsys) -> None:
    path = tmp_path / "energy.json"
    assert message in refused(capsys, ["energy", str(checkpoint), "--json", str(path), *options])
    assert not path.exists()


def test_no_such_technology_in_python() -> None:
    with pytest.raises(ShiftbookError, match="a technology must be one of"):
        energy(everything(SMALL), SMALL, "tsmc5")
