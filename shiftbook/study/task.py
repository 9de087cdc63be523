"""A task: a pure function of options, files and earlier tasks, known by a key before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shiftbook.study.keys import Json, code_digest, digest, versions
from shiftbook.study.tasks import work_of


@dataclass(frozen=True)
class Task:
    """One node of a study's graph.

    Attributes
    ----------
    key
        SHA-256 over all that decides the result.
    kind
        The name of its `study.tasks.base.Work`.
    options
        Values of JSON; files are in it by the digests of their contents.
    needs
        Keys of the tasks whose results it reads, by their role.
    places
        Where files are, by role. They are not part of the key.
    """

    key: str
    kind: str
    options: Mapping[str, Json] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The fields, as a worker gets them."""
        return asdict(self)


def make_task(
    kind: str,
    options: Mapping[str, Json],
    needs: Mapping[str, str] | None = None,
    places: Mapping[str, str] | None = None,
) -> Task:
    """The task with its key."""
    named = {"kind": kind, "options": dict(options), "needs": dict(needs or {})}
    key = digest({**named, **origin(kind)})
    return Task(key, kind, dict(options), dict(needs or {}), dict(places or {}))


def origin(kind: str) -> dict[str, Json]:
    """The code and the tools that a kind of task depends on."""
    work = work_of(kind)
    return {"code": code_digest(("study/tasks", *work.rooms)), "tools": versions(work.tools)}
