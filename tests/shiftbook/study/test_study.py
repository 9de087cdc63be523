"""Bad studies are told in one line before anything runs; the example is a good one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shiftbook import cli
from shiftbook.study.measures import MEASURES
from shiftbook.study.run import prepared
from shiftbook.study.search import count_of
from shiftbook.study.study import read_study

HEAD = '[network.n]\nsource = "{net}"\ndata = "{data}"\n'
OBJECTIVES = '[objectives]\naccuracy = "max"\n'
GOOD = HEAD + OBJECTIVES


def refused(tmp_path: Path, place: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The line that a study is refused with, less the name of its file."""
    path = tmp_path / "s.toml"
    path.write_text(text.replace("{net}", f"{place}/net.py:make").replace("{data}", "digits"))
    assert cli.main(["sweep", str(path), "-o", str(tmp_path / "out"), "--workers", "0"]) == cli.USER_ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    return err.removeprefix("error: ").removeprefix(f"{path}: ").rstrip("\n").replace(str(place), "PLACE")


BAD = {
    "[[compression]]\ndesnity = 0.5\n": "[[compression]] 1: there is no option 'desnity': choose of scheme, ",
    "[[compression]]\ndensity = []\n": "[[compression]] 1: density is an empty list: give at least one value",
    "[[compression]]\ndensity = [0.5, 2]\n": "n with density 2.0: density must be in (0, 1], not 2.0",
    "[[compression]]\ndensity = [0.5, 0.5]\n": "[[compression]] 1: density names a value twice: [0.5, 0.5]",
    "[[compression]]\nbits = 4.5\n": "[[compression]] 1: bits must be a whole number, not 4.5",
    "[[compression]]\nbits = true\n": "[[compression]] 1: bits must be a whole number, not True",
    "[[compression]]\nbits = [4, 99]\n": "n with bits 99: bits of scheme 'focused' must be in 4..8, not 99",
    '[[compression]]\nscheme = "shfit"\n': "n with scheme shfit: scheme must be one of additive, ",
    "[[compression]]\ndim = 4\n": "n with dim 4: scheme 'focused' has no option dim: it belongs to ",
    '[[compression]]\nnetwork = "m"\n': "[[compression]] 1: there is no network 'm': choose of n",
    "[[compression]]\ndensity = { from = 0.1, to = 0.5 }\n": "density is a range, which a grid cannot take: ",
    "[[compression]]\ndensity = { from = 0.5, to = 0.1 }\n": "[[compression]] 1: density must rise from ",
    "[[compression]]\ndensity = { from = 0.5 }\n": "[[compression]] 1: density must be a value, a list, ",
    '[[engine]]\npreset = ["shift", "shfit"]\n': "n with preset shfit: there is no preset 'shfit': ",
    '[[engine]]\nlanes = "8"\n': "n with lanes 8: lanes must be ROWSxCOLUMNS such as 8x8, not '8'",
    "[[engine]]\nslots = 0\n": "n with slots 0: slots must be an integer in 1..16, not 0",
    "[[engine]]\nbus = [32, 48]\n": "n with bus 48: bus_bytes must be a power of two, not 48",
    "[stduy]\n": "there is no setting stduy; docs/sweep.md lists them all",
    '[study]\nsearch = "gird"\n': "study.search: Input should be 'grid', 'random', 'tpe' or ",
    '[study]\nsearch = "tpe"\n': "the search tpe needs study.points, how many to try",
    "[study]\npoints = 3\n": "study.points is for random, tpe and nsga2; a grid has its own number of points",
    "[study]\nseed = -1\n": "study.seed: Input should be greater than or equal to 0, not -1",
    "[constraints]\nspeed = { at_most = 1 }\n": "there is no measure 'speed': choose of accuracy, ",
    "[constraints]\nlost = {}\n": "constraints.lost says nothing: give at_least or at_most",
    "[constraints]\ncycles = { at_least = 9, at_most = 5 }\n": (
        "constraints.cycles contradicts itself: at least 9, at most 5"
    ),
    "[constraints]\naccuracy = { at_least = 90 }\n": "constraints.accuracy is a share, which is never ",
    "[constraints]\nge = { at_most = -1 }\n": "constraints.ge is never at most -1",
    "[constraints]\ndelay = { at_most = 900 }\n": "delay takes a cell library: name its files as liberty in ",
    '[technology]\nliberty = ["no.lib"]\n': "cannot read ",
    '[technology]\nweights = "no.toml"\n': "cannot read ",
}


@pytest.mark.parametrize(("more", "message"), BAD.items(), ids=[repr(text) for text in BAD])
def test_a_bad_study_is_one_line(more: str, message: str, place: Path, tmp_path: Path, capsys) -> None:
    assert refused(tmp_path, place, GOOD + more, capsys).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace('"max"', '"most"'), "objectives.accuracy: Input should be 'max' or 'min', not 'most'"),
        (HEAD, "objectives is missing; docs/sweep.md says what it is"),
        (HEAD + "[objectives]\n", "objectives: Dictionary should have at least 1 item"),
        (OBJECTIVES, "network is missing; docs/sweep.md says what it is"),
        (GOOD.replace("{net}", "zoo:nothing"), "the zoo has digits, "),
        (
            GOOD.replace("{net}", "zoo:resnet20"),
            "zoo:resnet20 needs its trained weights: give weights = FILE",
        ),
        (GOOD.replace("{net}", "no.py:make"), "cannot read no.py: there is no such file"),
        (GOOD.replace("{net}", "nothing"), "there is no network 'nothing': name zoo:NAME, "),
        (GOOD.replace("{data}", "no.npz"), "cannot read "),
        (
            GOOD.replace('data = "{data}"', ""),
            "PLACE/net.py:make: there are no images to measure the accuracy on",
        ),
    ],
)
def test_a_bad_network_is_one_line(text: str, message: str, place: Path, tmp_path: Path, capsys) -> None:
    assert refused(tmp_path, place, text, capsys).startswith(message)


def test_what_is_no_toml(tmp_path: Path, place: Path, capsys) -> None:
    path = tmp_path / "s.toml"
    assert refused(tmp_path, place, "[study\n", capsys).startswith(f"{path} is no TOML: ")


def test_a_missing_study(tmp_path: Path, capsys) -> None:
    assert cli.main(["sweep", str(tmp_path / "no.toml"), "-o", str(tmp_path / "out")]) == cli.USER_ERROR
    message = "No such file or directory; name a study; `shiftbook sweep --example` prints one\n"
    assert capsys.readouterr().err == f"error: cannot read {tmp_path}/no.toml: {message}"


def test_images_without_labels(tmp_path: Path, place: Path, capsys) -> None:
    import numpy as np

    np.savez(tmp_path / "x.npz", x=np.zeros((20, 8, 8, 1), np.uint8))
    text = GOOD.replace("{data}", str(tmp_path / "x.npz"))
    assert "have no labels: a study measures the accuracy on them" in refused(tmp_path, place, text, capsys)


def test_unreadable_data(tmp_path: Path, place: Path, capsys) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"no zip")
    assert "bad.npz" in refused(tmp_path, place, GOOD.replace("{data}", str(bad)), capsys)


def test_results_are_not_written_over_the_study(tmp_path: Path, study_file: Path, capsys) -> None:
    (tmp_path / "out").mkdir()
    os.link(study_file, tmp_path / "out" / "sweep.csv")
    words = ["sweep", str(study_file), "-o", str(tmp_path / "out"), "--workers", "0"]
    assert cli.main(words) == cli.USER_ERROR
    assert "it is read, too, as" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2", "--scheduler", "tcp://h:1"], "give one of them"),
        (["--store", ""], "it is empty: name a folder or a URL"),
        (
            ["--store", "moon://x", "--workers", "0"],
            "cannot open the store moon://x: Protocol not known: moon",
        ),
        (["--workers", "-1"], "'--workers': Input should be greater than or equal to 0"),
    ],
)
def test_bad_options(options: list[str], message: str, study_file: Path, tmp_path: Path, capsys) -> None:
    assert cli.main(["sweep", str(study_file), "-o", str(tmp_path / "out"), *options]) == cli.USER_ERROR
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_the_example_is_a_study(tmp_path: Path, capsys) -> None:
    assert cli.main(["sweep", "--example"]) == 0
    path = tmp_path / "example.toml"
    path.write_text(capsys.readouterr().out)
    study = read_study(path)
    assert count_of(study) == (2 * 2 * 3 + 2) * (2 * 2)
    prepared(study)
    assert {"accuracy", "gate_cycles"} < set(study.objectives)


def test_every_measure_can_be_asked_for(tmp_path: Path, place: Path) -> None:
    library = tmp_path / "cells.lib"
    library.write_text("")
    wanted = "\n".join(f'{name} = "{measure.better}"' for name, measure in MEASURES.items())
    text = GOOD.replace('accuracy = "max"', wanted) + f'[technology]\nliberty = ["{library}"]\n'
    (tmp_path / "s.toml").write_text(
        text.replace("{net}", f"{place}/net.py:make").replace("{data}", "digits")
    )
    assert prepared(read_study(tmp_path / "s.toml")).kinds == {"accuracy", "float", "load", "gates"}
