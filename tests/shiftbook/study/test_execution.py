"""Graphs of tasks: what they need comes first, nothing is done twice, failures are kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.execution import Execution
from shiftbook.study.executor import InProcess
from shiftbook.study.perform import Outcome
from shiftbook.study.store import Store
from shiftbook.study.task import Task, make_task
from tests.shiftbook.study.works import Add, Crash, Die, Fail


def add(value: int, *needs: Task, marks: Path | None = None) -> Task:
    places = {} if marks is None else {"marks": str(marks)}
    return make_task(Add.name, {"value": value}, {str(i): need.key for i, need in enumerate(needs)}, places)


def graph_of(*tasks: Task) -> dict[str, Task]:
    return {task.key: task for task in tasks}


def execution(folder: Path, told: list[Outcome] | None = None) -> Execution:
    store = Store(str(folder))
    return Execution(store, InProcess(store), (told if told is not None else []).append)


def test_needs_come_first(tmp_path: Path) -> None:
    one, two = add(1), add(2)
    three = add(3, one, two)
    four = add(4, three, one)
    run = execution(tmp_path)
    run.run(graph_of(one, two, three, four), [four.key])
    assert run.outcomes[four.key].result == {"total": 4 + (3 + 1 + 2) + 1}
    assert (run.computed, run.running) == (4, 0)


def test_only_what_is_wanted_is_done(tmp_path: Path) -> None:
    one, two = add(1), add(2)
    run = execution(tmp_path)
    run.run(graph_of(one, two), [two.key])
    assert set(run.outcomes) == {two.key}


def test_what_is_done_needs_nothing_any_more(tmp_path: Path) -> None:
    one = add(1, marks=tmp_path)
    two = add(2, one)
    first = execution(tmp_path / "store")
    first.run(graph_of(one, two), [two.key])
    (tmp_path / "store" / one.key[:2] / f"{one.key}.json").unlink()
    told: list[Outcome] = []
    again = execution(tmp_path / "store", told)
    again.run(graph_of(one, two), [two.key])
    assert [outcome.key for outcome in told] == [two.key]
    assert again.computed == 0
    assert len(list(tmp_path.glob("1-*"))) == 1


def test_a_graph_that_grows(tmp_path: Path) -> None:
    one = add(1)
    two = add(2, one)
    run = execution(tmp_path)
    run.run(graph_of(one), [one.key])
    run.run(graph_of(one, two), [two.key, one.key])
    assert run.computed == 2


def test_a_failure_reaches_all_that_need_it(tmp_path: Path) -> None:
    fails = make_task(Fail.name, {"message": "density must be in (0, 1], not 2"})
    two = add(2, fails)
    three = add(3, two)
    fine = add(4)
    run = execution(tmp_path)
    run.run(graph_of(fails, two, three, fine), [three.key, fine.key])
    assert run.outcomes[three.key].error == "density must be in (0, 1], not 2"
    assert run.outcomes[fine.key].error is None
    again = execution(tmp_path)
    again.run(graph_of(fails, two, three, fine), [three.key])
    assert (again.computed, again.outcomes[three.key].error) == (0, "density must be in (0, 1], not 2")


def test_what_is_no_mistake_of_the_input_is_tried_again(tmp_path: Path) -> None:
    crash = make_task(Crash.name, {})
    for _ in range(2):
        run = execution(tmp_path)
        run.run(graph_of(crash), [crash.key])
        assert run.computed == 1
        error = run.outcomes[crash.key].error
        assert error == f"{Crash.name}: MemoryError: no room"


def test_keys_are_of_content_and_not_of_places(tmp_path: Path) -> None:
    assert add(1).key == add(1, marks=tmp_path).key
    assert add(1).key != add(2).key
    assert add(1, add(2)).key != add(1, add(3)).key
    assert add(1).key != make_task(Fail.name, {"value": 1}).key


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    distributed = pytest.importorskip("distributed")
    import dask

    store = Store(str(tmp_path_factory.mktemp("store")))
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(**options) as made,
    ):
        yield made.scheduler_address, store


def test_a_task_that_kills_its_workers_fails_alone(cluster: tuple[str, Store]) -> None:
    from shiftbook.study.cluster import running_cluster

    address, store = cluster
    die, fine = make_task(Die.name, {}), [add(value) for value in range(4)]
    with running_cluster(address, store) as workers:
        run = Execution(store, workers, lambda outcome: None)
        run.run(graph_of(fine[0], die, *fine[1:]), [die.key, *(task.key for task in fine)])
    assert [run.outcomes[task.key].result for task in fine] == [{"total": value} for value in range(4)]
    told = run.outcomes[die.key].error
    assert told == f"{Die.name}: every worker that tried it died; give workers more memory"


def test_short_tasks_are_sent_together(cluster: tuple[str, Store]) -> None:
    from shiftbook.study.cluster import running_cluster

    address, store = cluster
    tasks = [add(value) for value in range(100, 400)]
    with running_cluster(address, store) as workers:
        run = Execution(store, workers, lambda outcome: None)
        run.run(graph_of(*tasks), [task.key for task in tasks])
        assert workers.count < 50
    assert [run.outcomes[task.key].result for task in tasks] == [{"total": v} for v in range(100, 400)]


def test_workers_of_another_version_are_refused(cluster: tuple[str, Store]) -> None:
    import distributed

    from shiftbook.study.cluster import running_cluster
    from shiftbook.study.keys import versions

    address, store = cluster
    with distributed.Client(address, set_as_default=False) as client:
        client.run(_pretend, "1.2.3")
        try:
            with (
                pytest.raises(
                    ShiftbookError, match=r"^the worker tcp://[\d.:]+ differs: numpy is 1\.2\.3, here "
                ),
                running_cluster(address, store),
            ):
                pass
        finally:
            client.run(_pretend, versions(("numpy",))["numpy"])
    with running_cluster(address, store):
        pass


def _pretend(version: str) -> None:
    """Let this process believe that it has another NumPy."""
    from importlib import metadata

    from shiftbook.study import keys

    real = metadata.version
    keys.versions.cache_clear()
    keys._version = lambda name: version if name == "numpy" else real(name)


def test_an_unreachable_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shiftbook.study import cluster as module

    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(
            ShiftbookError, match=r"^there is no scheduler at tcp://127\.0\.0\.1:9: .*; start one with"
        ),
        module.running_cluster("tcp://127.0.0.1:9", Store(str(tmp_path))),
    ):
        pass


@pytest.mark.parametrize("address", ["nowhere", "moon://x:1", "tcp://"])
def test_what_is_no_address(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shiftbook.study import cluster as module

    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    refused = pytest.raises(ShiftbookError, match=f"^there is no scheduler at {address}: ")
    with refused, module.running_cluster(address, Store(str(tmp_path))):
        pass


SCHEDULER = """
import time
from distributed import LocalCluster
with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp",
                  dashboard_address="127.0.0.1:0") as cluster:
    print(cluster.scheduler_address, flush=True)
    time.sleep(60)
"""


def test_a_scheduler_that_goes_away(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from shiftbook.study.cluster import running_cluster

    store = Store(str(tmp_path))
    tasks = [add(value) for value in range(5000)]
    with subprocess.Popen([sys.executable, "-c", SCHEDULER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        lost = pytest.raises(
            ShiftbookError,
            match=f"^the scheduler {address} went away; when it is back, the same command goes on$",
        )
        with lost, running_cluster(address, store) as workers:
            run = Execution(store, workers, lambda outcome: process.kill())
            run.run(graph_of(*tasks), [task.key for task in tasks])
    assert 0 < len(run.outcomes) < len(tasks)


def test_a_scheduler_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    from shiftbook.study import cluster as module

    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    options = {"processes": False, "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=0, **options) as made:
        address = made.scheduler_address
        refused = pytest.raises(
            ShiftbookError, match=f"^the scheduler {address} has no workers: start some with"
        )
        with refused, module.running_cluster(address, Store(str(tmp_path))):
            pass
