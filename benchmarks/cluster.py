"""1,024 ranks on a Dask cluster of two workers: the answer of this process, memory, and a killed worker.

    python -m benchmarks.cluster --ranks 1024 --events 600

Ranks are copies of a real one, as `benchmarks.runs` makes them.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.runs import make_run
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.report.contract import analysis_document, dumps


def main() -> None:
    """Prints one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--events", type=int, default=600)
    options = parser.parse_args()
    os.environ["COMMSCOPE_NO_CACHE"] = "1"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        make_run(folder, options.ranks, options.events)
        run = open_run(folder)
        began = time.perf_counter()
        inline = dumps(analysis_document(analyze(run, jobs=1)))
        print(f"inline: {time.perf_counter() - began:.1f} s, {_peak_mib():.0f} MiB")
        for kill in (False, True):
            _on_cluster(run, inline, kill=kill)


def _on_cluster(run: Any, inline: str, *, kill: bool) -> None:
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        if kill:
            victim = next(iter(cluster.workers.values()))
            threading.Timer(2.0, os.kill, (victim.pid, signal.SIGKILL)).start()
        began = time.perf_counter()
        there = dumps(analysis_document(analyze(run, scheduler=cluster.scheduler_address)))
        spent = time.perf_counter() - began
        with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
            workers = client.run(_peak_mib)
    told = ", ".join(f"{mib:.0f} MiB" for mib in workers.values())
    name = "two workers, one killed" if kill else "two workers"
    print(f"{name}: {spent:.1f} s, equal: {there == inline}, workers {told}, client {_peak_mib():.0f} MiB")


def _peak_mib() -> float:
    """By the kernel's own count of this process, which is not that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
