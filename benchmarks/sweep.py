"""What a study costs beside its tasks: many synthetic points of some milliseconds on a local cluster.

Each point is one task that uses a processor for a given time and stores a result. Told are the share of the
workers' time that tasks had; the processor time of everything, which other load on the machine does not
change; and the memory of the process with client and scheduler.

    python -m benchmarks.sweep --points 10000 --milliseconds 10 --workers 2 --json sweep.json
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.command import start
from shiftbook.golden.files import check_writable, write_json
from shiftbook.study.cluster import local_cluster
from shiftbook.study.execution import Execution
from shiftbook.study.store import Store
from shiftbook.study.task import make_task
from shiftbook.study.tasks.base import Made, Request, Work

KIB = 1024


class Pause(Work):
    """Uses a processor for ``seconds``; ``number`` tells tasks apart."""

    name = "benchmarks.sweep:Pause"
    rooms = ()
    tools = ()

    def run(self, request: Request) -> Made:
        ends = time.thread_time() + request.options["seconds"]
        while time.thread_time() < ends:
            pass
        return Made({"number": request.options["number"]})


def measure(points: int, seconds: float, workers: int) -> dict[str, object]:
    """Run the points; the figures as JSON values."""
    tasks = [make_task(Pause.name, {"seconds": seconds, "number": number}) for number in range(points)]
    graph = {task.key: task for task in tasks}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        began_client = processor_seconds(resource.RUSAGE_SELF)
        with local_cluster(workers, store) as cluster:
            warm = [
                make_task(Pause.name, {"seconds": seconds, "number": -1 - i}) for i in range(20 * workers)
            ]
            execution = Execution(store, cluster, lambda outcome: None)
            execution.run({task.key: task for task in warm}, [task.key for task in warm])
            began = time.perf_counter()
            execution.run(graph, graph)
            wall = time.perf_counter() - began
            bundles = cluster.count
        client = processor_seconds(resource.RUSAGE_SELF) - began_client
    children = processor_seconds(resource.RUSAGE_CHILDREN)
    worked = points * seconds
    return {
        "points": points,
        "seconds": seconds,
        "workers": workers,
        "load_before": os.getloadavg()[0],
        "wall_seconds": round(wall, 2),
        "busy": round(worked / (wall * workers), 4),
        "processor_share": round(worked / (client + children), 4),
        "client_and_scheduler_seconds": round(client, 2),
        "worker_seconds": round(children, 2),
        "bundles": bundles,
        "client_and_scheduler_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB,
    }


def processor_seconds(whose: int) -> float:
    """Of this process, or of all that it has waited for."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--milliseconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    check_writable(arguments.json)
    report = measure(arguments.points, arguments.milliseconds / 1000, arguments.workers)
    write_json(arguments.json, report)
    for name, value in report.items():
        print(f"{name}: {value:,}")


if __name__ == "__main__":
    start(main)
