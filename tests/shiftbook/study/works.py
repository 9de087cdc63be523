"""Kinds of tasks that tests run: they add, fail, and leave marks of having run."""

from __future__ import annotations

import os
import time
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.tasks.base import Made, Request, Work

HERE = "tests.shiftbook.study.works"


class Add(Work):
    name = f"{HERE}:Add"
    rooms = ()
    tools = ()

    def run(self, request: Request) -> Made:
        before = [request.store.get(key) for key in request.needs.values()]
        total = request.options["value"] + sum(record["result"]["total"] for record in before if record)
        mark = request.places.get("marks")
        if mark is not None:
            Path(mark, f"{request.options['value']}-{time.monotonic_ns()}").touch()
        return Made({"total": total}, {".txt": str(total).encode()})


class Fail(Work):
    name = f"{HERE}:Fail"
    rooms = ()
    tools = ()

    def run(self, request: Request) -> Made:
        raise ShiftbookError(request.options["message"])


class Crash(Work):
    name = f"{HERE}:Crash"
    rooms = ()
    tools = ()

    def run(self, request: Request) -> Made:
        raise MemoryError("no room\nat all")


class Die(Work):
    name = f"{HERE}:Die"
    rooms = ()
    tools = ()

    def run(self, request: Request) -> Made:
        os._exit(3)
