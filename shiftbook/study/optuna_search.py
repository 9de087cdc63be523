"""Search by Optuna: a tree of Parzen estimators, or the genetic algorithm NSGA-II, for several objectives."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.study.choices import Range
from shiftbook.study.drawing import draw
from shiftbook.study.measures import Number
from shiftbook.study.point import Choice
from shiftbook.study.study import Study

if TYPE_CHECKING:
    import optuna

MISSING = "the search {} needs optuna: pip install 'shiftbook[sweep]', or search with grid or random"


class OptunaSearch:
    """Trials of Optuna, asked for batch by batch.

    All of a batch are asked for before any is told, and told in the same order: so the seed decides the
    points, whatever the number of workers. A study that goes on asks for its trials anew, and the store has
    the results of those that were done.

    Parameters
    ----------
    journal
        File for the trials, which Optuna's own tools read; None keeps them in memory.

    Raises
    ------
    ShiftbookError
        Optuna is missing.
    """

    def __init__(self, study: Study, journal: Path | None) -> None:
        try:
            import optuna
        except ImportError as error:
            raise ShiftbookError(MISSING.format(study.general.search)) from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = study
        self.asked: list[optuna.Trial] = []
        self.count = 0
        self.journal = journal

    @cached_property
    def trials(self) -> optuna.Study:
        """Optuna's own study; its file is begun with the first question."""
        import optuna

        ways = self.study.objectives.values()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.create_study(
                study_name=self.study.name,
                directions=["maximize" if way == "max" else "minimize" for way in ways],
                sampler=_sampler(self.study),
                storage=None if self.journal is None else _storage(self.journal),
            )

    def ask(self) -> list[Choice]:
        """The next batch; the last one may be smaller.

        Raises
        ------
        ShiftbookError
            The journal cannot be written.
        """
        left = (self.study.general.points or 0) - self.count
        self.asked = [self.trials.ask() for _ in range(min(left, self.study.general.batch))]
        self.count += len(self.asked)
        return [draw(self.study, Suggestions(trial)) for trial in self.asked]

    def tell(self, values: Sequence[Mapping[str, Number] | None]) -> None:
        """Tell Optuna; a point that failed is a failed trial."""
        from optuna.trial import TrialState

        for trial, found in zip(self.asked, values, strict=True):
            objectives = None if found is None else [found[name] for name in self.study.objectives]
            if found is None or objectives is None or None in objectives:
                self.trials.tell(trial, state=TrialState.FAIL)
                continue
            for name, bounds in self.study.constraints.items():
                trial.set_constraint(name, bounds.excess(found[name] or 0))
            self.trials.tell(trial, [float(value or 0) for value in objectives])


class Suggestions:
    """A trial as a chooser. Values that Optuna does not know are known by their places."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def pick(self, name: str, values: tuple[Any, ...]) -> Any:
        """One of the values."""
        return values[self.trial.suggest_categorical(name, list(range(len(values))))]

    def number(self, name: str, span: Range) -> int | float:
        """A number of the range."""
        if span.whole:
            return self.trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
        return self.trial.suggest_float(name, span.low, span.high, log=span.log)


def _sampler(study: Study) -> optuna.samplers.BaseSampler:
    from optuna.samplers import NSGAIISampler, TPESampler

    general = study.general
    if general.search == "tpe":
        return TPESampler(seed=general.seed)
    return NSGAIISampler(seed=general.seed, population_size=max(2, general.batch))


def _storage(journal: Path) -> optuna.storages.BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        journal.unlink(missing_ok=True)
        return JournalStorage(JournalFileBackend(str(journal)))
    except OSError as error:
        raise ShiftbookError(
            f"cannot write {journal}: {first_line(error)}; name another folder for the results"
        ) from error
