"""The rule of evidence on this very machine: recordings of one program must not be told apart in time.

    python -m benchmarks.check_pairs [--runs 15] [--demos 3]

Records a small data-parallel script `--runs` times as the machine is and `--runs` times beside a loop that
keeps one core busy. Compares all pairs of each (15 recordings give 105), and as many random 3 against 3, and
counts the times that are told better or worse. Then runs `commscope demo` beside the loop: no winner in time
may be named, while bytes and memory stay exact.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.check_noise import SCRIPT
from commscope.analysis.result import Analysis
from commscope.compare import Comparison, compare_recordings, measure, other_load_of
from commscope.compare.measures.measurement import UNPROFILED
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record

SEED = 20261127
A_SIDE = 3
SHOWN = ("better", "worse")


@contextmanager
def busy_core() -> Iterator[None]:
    """A loop beside what is recorded."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


def recorded(folder: Path, name: str) -> Analysis:
    """One recording, analyzed."""
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    request = RecordRequest(
        folder / name, "train.py", (str(script), "0"), nproc=2, steps=10, warmup=5, backend="gloo"
    )
    return analyze(open_run(record(request)), jobs=1)


def claims(comparison: Comparison) -> list[str]:
    """Times that are told better or worse."""
    return [row.metric for row in comparison.metrics if row.unit == "ns" and row.status in SHOWN]


def groups_of(runs: Sequence[Analysis], wanted: int) -> Iterator[tuple[list[Analysis], list[Analysis]]]:
    """Random 3 against 3, each recording on one side only."""
    random = np.random.default_rng(SEED)
    for _ in range(wanted):
        chosen = random.permutation(len(runs))[: 2 * A_SIDE]
        sides = [runs[place] for place in chosen.tolist()]
        yield sides[:A_SIDE], sides[A_SIDE:]


def told(title: str, runs: Sequence[Analysis]) -> None:
    """Pairs and groups of recordings of one program, and what is claimed of them."""
    times_ms = [(measure(run)[UNPROFILED].value or 0) / 1e6 for run in runs]
    loads = [load.busy_cores for run in runs if (load := other_load_of(run.run)) is not None]
    span = f"steps {min(times_ms):.1f} to {max(times_ms):.1f} ms"
    print(f"{title}: {len(runs)} recordings, {span}, other load {min(loads):.2f} to {max(loads):.2f} cores")
    pairs = [([a], [b]) for a, b in combinations(runs, 2)]
    for words, sides in (("pairs", pairs), ("groups of 3 against 3", list(groups_of(runs, len(pairs))))):
        found = [claims(compare_recordings(*side)) for side in sides]
        steps = sum("step.time" in one for one in found)
        print(f"  {len(sides)} {words}: {steps} claims faster or slower, {sum(map(bool, found))} of any time")


def demos(folder: Path, count: int) -> None:
    """The first line of each demo, and whether a winner in time was named."""
    for number in range(count):
        command = [sys.executable, "-m", "commscope", "demo", "-o", str(folder / f"demo-{number}")]
        with busy_core():
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"demo {number + 1}: {done.stdout.splitlines()[0]}")


def main() -> None:
    """Record, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--demos", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for title, load in (("as the machine is", nullcontext), ("beside a loop", busy_core)):
            folder = Path(place) / title.replace(" ", "-")
            folder.mkdir()
            with load():
                runs = [recorded(folder, f"ddp-{n}") for n in range(options.runs)]
            told(title, runs)
        demos(Path(place), options.demos)


if __name__ == "__main__":
    main()
