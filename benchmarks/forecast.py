"""`plan --from` against what it foretells: TP=4, TP + SP and full recompute from a run of TP=2, on gloo.

    python -m benchmarks.forecast [--rounds 3] [--steps 6]

Each round records the four layouts one after the other, so that they share what else the machine does, and
the forecast is made from that round's TP=2. Prints for each layout the forecast, its interval, the measured
step (median of those without the profiler) and their ratio; at the end the median ratio over the rounds. On a
machine with fewer cores than ranks, ranks take turns, which the forecast counts in.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from commscope.engine import analyze, over_ranks
from commscope.forecast import Machine, forecast, measured_machine, rank_work
from commscope.readers import open_run
from commscope.trace import Layout
from commscope.units import format_time

SIZES = "--hidden 512 --heads 8 --layers 3 --seq 256 --batch 2 --vocab 2048"
RECORDED = ("TP=2", Layout(tp=2), "--tp 2")
FORETOLD = (
    ("TP=4", Layout(tp=4), "--tp 4"),
    ("TP=2 + SP", Layout(tp=2, sp=True), "--tp 2 --sp"),
    ("TP=2, full recompute", Layout(tp=2, recompute="full"), "--tp 2 --recompute full"),
)


def main() -> None:
    """Records, foretells, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    asked = parser.parse_args()
    ratios: dict[str, list[float]] = {name: [] for name, *_ in FORETOLD}
    for number in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, ratio in one_round(Path(folder), asked.steps, number + 1):
                ratios[name].append(ratio)
    for name, found in ratios.items():
        print(f"{name}: forecast / measured {statistics.median(found):.3f} (median of {len(found)} rounds)")


def one_round(folder: Path, steps: int, number: int) -> list[tuple[str, float]]:
    """Records all four and prints a line for each that was foretold."""
    for name, _, options in (RECORDED, *FORETOLD):
        record(folder / name, options, steps)
    machine = machine_of(folder / RECORDED[0])
    found = []
    for name, layout, _ in FORETOLD:
        told, measured = forecast(machine, layout), plain_step_ns(folder / name)
        found.append((name, told.time_ns / measured))
        between = f"{format_time(told.low_ns)} to {format_time(told.high_ns)}"
        load = load_of(folder / name)
        print(
            f"round {number}, {name}: {format_time(told.time_ns)} ({between}), measured "
            f"{format_time(measured)}, ratio {told.time_ns / measured:.3f}, other load {load}",
            flush=True,
        )
    return found


def record(run: Path, options: str, steps: int) -> None:
    """One recording, in silence."""
    line = f"record gpt {options} {SIZES} --backend gloo --steps {steps} --warmup 2"
    command = [sys.executable, "-m", "commscope", *line.split(), "-o", str(run)]
    subprocess.run(command, check=True, capture_output=True)


def machine_of(path: Path) -> Machine:
    """What a run tells of this machine."""
    run = open_run(path)
    layout, model = run.info.layout, run.info.model
    assert layout is not None
    assert model is not None
    works = list(over_ranks(run, rank_work, jobs=1))
    return measured_machine(analyze(run, jobs=1), works, layout, model)


def plain_step_ns(path: Path) -> float:
    """Median step without the profiler."""
    times = [row.time_ns for row in open_run(path).info.step_times if not row.profiled]
    return statistics.median(times)


def load_of(path: Path) -> str:
    """Cores that other programs kept busy."""
    return f"{open_run(path).info.host.get('other_load_cores', 'not known')} cores"


if __name__ == "__main__":
    main()
