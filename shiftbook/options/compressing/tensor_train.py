"""How `compress` decomposes layers into chains."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from shiftbook.frontend.tensor_train.plan import TENSOR_TRAIN, Plan, Search
from shiftbook.frontend.tensor_train.plan_texts import parse_factors, parse_ranks
from shiftbook.golden.errors import ShiftbookError
from shiftbook.options.paths import named
from shiftbook.options.schemes import scheme_named


@dataclass(frozen=True)
class TensorTrainGroup:
    """Options of a tensor train."""

    panel: ClassVar[str] = "Tensor train"

    cores: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            parser=scheme_named,
            help="Scheme of the chains' weights, and of all others. Default: int8, dense.",
        ),
    ] = None
    ratio: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="Weights of the network over those that are left; ranks are searched. Default: 2.",
        ),
    ] = None
    budget_macs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Instead of a ratio: most products of the whole network per image. Default: any number.",
        ),
    ] = None
    ranks: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Instead of a ratio: layer1.*=12x10,layer3.0.conv1=16x16, a rank for each pair of "
            "neighbours among the modes, or a .json file of lists by layer. Other layers stay as they are. "
            "Default: searched.",
        ),
    ] = None
    factors: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="How channels are split into modes, such as 64=8x8,32=4x8, slowest first. Default: not at "
            "all, which gives the modes output x K*K x input.",
        ),
    ] = None
    search: Annotated[
        Search | None,
        typer.Option(
            help="How ranks are found. energy: where they lose least of each layer's sum of squares. "
            "measured: of the scores of calibration images. largest: keep the largest singular values. "
            "Default: energy.",
        ),
    ] = None
    admm_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Epochs of training in the original shape, drawn to low ranks by ADMM. Default: 0.",
        ),
    ] = None
    core_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Then epochs of training the cores in float; --epochs comes after that. Default: 0.",
        ),
    ] = None
    core_rate: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="Highest learning rate of the cores. Default: a sixth of --rate after ADMM, else --rate.",
        ),
    ] = None
    rho: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="How hard ADMM draws. Default: as hard as the rate lets the weights follow.",
        ),
    ] = None
    updates: Annotated[
        int | None,
        typer.Option(metavar="N", help="Updates of ADMM's targets in an epoch. Default: 8."),
    ] = None
    keep_cores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Keep the trained float cores in FILE; if it is there, take them from it and train nothing. "
            "Default: keep none.",
        ),
    ] = None

    @property
    def trains(self) -> bool:
        """Whether chains are trained."""
        return bool(self.admm_epochs or self.core_epochs)

    def plan(self, scheme: str) -> Plan | None:
        """The plan, where the scheme asks for one; options that are None take its defaults.

        Raises
        ------
        ShiftbookError
            An option is given, and no layer becomes a chain; or it makes no sense.
        """
        given = self._given()
        if scheme != TENSOR_TRAIN:
            for name in given:
                option = f"--{name.replace('_', '-')}"
                raise ShiftbookError(f"{option} is for the scheme {TENSOR_TRAIN!r}, not for {scheme!r}")
            return None
        options: dict[str, Any] = {name: value for name, value in given.items() if name != "cores"}
        if "budget_macs" in options:
            options["budget"] = options.pop("budget_macs")
        for name, parse in (("ranks", parse_ranks), ("factors", parse_factors)):
            if name in options:
                options[name] = parse(options[name])
        return Plan(**options)

    def _given(self) -> dict[str, object]:
        every = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in every.items() if value is not None}
