"""Cost of recording: profiled over plain step, cost of a mark off and on, overlap that is real.

Run: python -m benchmarks.recording [--part capture|marks|overlap]. Ratios are taken within one run, which has
plain and profiled steps; the things compared take turns, so that a slow minute of the machine hits them all.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from commscope_workloads.config import MODELS

import commscope
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.schema import CAPTURE
from commscope.trace import Layout

RUNS = 5
OVERLAP_RUNS = 3
STEPS = 10
BIG = {"hidden": 256, "ffn": 1024, "seq": 256}


def main() -> None:
    """Print one line a measure."""
    parts = {"capture": capture, "marks": marks, "overlap": overlap}
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=parts, action="append", help="only this; again for more")
    for part in parser.parse_args().part or parts:
        parts[part]()


def capture() -> None:
    """Capture overhead of both workloads, which take turns."""
    ratios: dict[str, list[float]] = {name: [] for name in MODELS}
    for _ in range(RUNS):
        for name, found in ratios.items():
            found.append(capture_ratio(name))
    for name, found in ratios.items():
        print(f"{name}: profiled / plain step {told(found)}", flush=True)


def marks() -> None:
    """Cost of `annotate`."""
    off, on = mark_cost_ns()
    print(f"annotate: {off:.0f} ns off, {on:.0f} ns on (CPU time)", flush=True)


def overlap() -> None:
    """Overlapped over all communication, without and with --overlap, for TP and TP+SP, which take turns."""
    cases = [(sp, hidden) for sp in (False, True) for hidden in (False, True)]
    ratios: dict[tuple[bool, bool], list[float]] = {case: [] for case in cases}
    for _ in range(OVERLAP_RUNS):
        for sp, hidden in cases:
            ratios[sp, hidden].append(overlap_ratio(sp=sp, overlap=hidden))
    for (sp, hidden), found in ratios.items():
        name = ("tp2+sp" if sp else "tp2") + (" --overlap" if hidden else "")
        print(f"{name}: overlapped / communication {told(found)}", flush=True)


def told(ratios: Sequence[float]) -> str:
    """Median and range."""
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return f"{statistics.median(ratios):.3f} (median of {len(ratios)} runs, {spread})"


def capture_ratio(workload: str) -> float:
    """Median profiled step over median plain step of one run."""
    with tempfile.TemporaryDirectory() as folder:
        run = record(request(Path(folder) / "run", workload, Layout(tp=2)))
        times = msgspec.json.decode((run / "run.json").read_bytes())["step_times"]
    by_kind = [[row["time_ns"] for row in times if row["profiled"] is kind] for kind in (True, False)]
    return statistics.median(by_kind[0]) / statistics.median(by_kind[1])


def overlap_ratio(*, sp: bool, overlap: bool) -> float:
    """Overlapped over all communication of one run, as the analysis tells it."""
    from commscope.engine import analyze
    from commscope.readers import open_run

    with tempfile.TemporaryDirectory() as folder:
        run = record(request(Path(folder) / "run", "gpt", Layout(tp=2, sp=sp, overlap=overlap)))
        rows = analyze(open_run(run)).breakdown
    steps = [row for row in rows if row.window != CAPTURE]
    return sum(row.overlapped_ns for row in steps) / sum(row.communication_ns for row in steps)


def mark_cost_ns(number: int = 100_000) -> tuple[float, float]:
    """CPU time of one `annotate` outside and inside a profile."""

    def marked() -> None:
        with commscope.annotate(layer=3):
            pass

    off = _per_call_ns(marked, number)
    with torch.profiler.profile():
        on = _per_call_ns(marked, number // 20)
    return off, on


def request(output: Path, workload: str, layout: Layout) -> RecordRequest:
    """A run on gloo, its steps long enough to measure."""
    model = replace(MODELS[workload], **BIG)
    return RecordRequest(output, workload, layout=layout, model=model, nproc=2, steps=STEPS, backend="gloo")


def _per_call_ns(function: Callable[[], None], number: int) -> float:
    return min(timeit.repeat(function, timer=time.process_time, number=number, repeat=5)) / number * 1e9


if __name__ == "__main__":
    main()
