"""What commands cost: a grid of ranks and events, cold and warm, start-up, reading against the limit.

    python -m benchmarks.commands                                  (two minutes)
    python -m benchmarks.commands --grid 1x1000000 64x100000 64x1000000 1024x14000 --repeat 3

Runs are made from a real trace (benchmarks/runs.py). CPU seconds count all processes of a command. A row is
the median of its repeats, all of them in turns. The limit is benchmarks/limit.cpp: isa-l and simdjson without
Python, built where g++ and Debian's libsimdjson-dev and libisal-dev are. Quote ratios and
exponents.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.runs import TRACE, make_run

CHECKOUT = Path(__file__).resolve().parents[1]
LIMIT = CHECKOUT / "benchmarks" / "limit.cpp"
READ = (
    "import sys, time; from pathlib import Path; from commscope.readers.chrome.decode import decode; "
    "from commscope.readers.files.blocks import Damage, blocks_of; began = time.process_time(); "
    "decode(blocks_of(Path(sys.argv[1]), Damage())); print(time.process_time() - began)"
)
STARTS = {
    "--help": ["--help"],
    "plan": ["plan", "gpt"],
    "doctor, tiny run": ["doctor", "traces/gpt-tp2"],
    "analyze, tiny run": ["analyze", "traces/gpt-tp2"],
}


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    wall_s: float
    cpu_s: float
    peak_mb: float  # of its largest process

    @classmethod
    def middle(cls, costs: list[Cost]) -> Cost:
        """Medians."""
        return cls(
            statistics.median(one.wall_s for one in costs),
            statistics.median(one.cpu_s for one in costs),
            statistics.median(one.peak_mb for one in costs),
        )


def cost_of(command: list[str], environment: dict[str, str]) -> Cost:
    """Runs a command in a shell of its own, so that its processes alone are counted."""
    script = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    wall_s = time.perf_counter() - began
    code, cpu_s, peak_mb = done.stdout.split()
    if code != "0":
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return Cost(wall_s, float(cpu_s), float(peak_mb))


def commscope(*arguments: str) -> list[str]:
    """A command line of ours."""
    return [sys.executable, "-m", "commscope", *arguments]


def starts(repeat: int) -> None:
    """What a command costs before it has anything to do."""
    print("\n| start-up | CPU s |\n|---|---|")
    for name, arguments in STARTS.items():
        costs = [cost_of(commscope(*arguments), dict(os.environ)) for _ in range(repeat)]
        print(f"| {name} | {Cost.middle(costs).cpu_s:.2f} |", flush=True)


def reading(path: Path, limit: Path | None, repeat: int) -> None:
    """CPU seconds of reading one rank: compiled, in Python, and the limit, in turns."""
    ways = {
        "compiled": {**os.environ, "COMMSCOPE_PURE": ""},
        "in Python": {**os.environ, "COMMSCOPE_PURE": "1"},
    }
    took: dict[str, list[float]] = {name: [] for name in (*ways, "limit")}
    for _ in range(repeat):
        for name, environment in ways.items():
            done = subprocess.run(
                [sys.executable, "-c", READ, path],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            took[name].append(float(done.stdout))
        if limit is not None:
            done = subprocess.run([limit, path], capture_output=True, text=True, check=True)
            took["limit"].append(json.loads(done.stdout)["cpu_s"])
    told = {name: statistics.median(times) for name, times in took.items() if times}
    ratios = {
        name: f" ({time_s / told['limit']:.2f} x limit)" if limit else "" for name, time_s in told.items()
    }
    print(
        "reading one rank: "
        + ", ".join(f"{name} {time_s:.2f} s{ratios[name]}" for name, time_s in told.items()),
        flush=True,
    )


def built_limit(folder: Path) -> Path | None:
    """The limit program, or None where it cannot be built."""
    if shutil.which("g++") is None:
        return None
    command = [
        "g++",
        "-O3",
        "-march=native",
        "-std=c++17",
        LIMIT,
        "-lsimdjson",
        "-lisal",
        "-o",
        folder / "limit",
    ]
    built = subprocess.run(command, capture_output=True, check=False)
    return folder / "limit" if built.returncode == 0 else None


def cells(grid: list[tuple[int, int]], folder: Path, repeat: int, limit: Path | None) -> None:
    """Every cell of the grid, cold and warm."""
    rows: list[tuple[int, int, Cost, Cost]] = []
    for ranks, wanted in grid:
        run = folder / f"r{ranks}x{wanted}"
        events = make_run(run, ranks, wanted)
        if ranks == 1:
            reading(run / "rank0.json.gz", limit, repeat)
        cold, warm = [], []
        for number in range(repeat):
            environment = {**os.environ, "COMMSCOPE_CACHE": str(folder / f"cache-{ranks}-{wanted}-{number}")}
            for costs in (cold, warm):
                costs.append(cost_of(commscope("analyze", str(run), "--format", "json"), environment))
        rows.append((ranks, ranks * events, Cost.middle(cold), Cost.middle(warm)))
        shutil.rmtree(run)
    print("\n| ranks | events | cold wall s | cold CPU s | peak MB | warm wall s | warm CPU s |")
    print("|---|---|---|---|---|---|---|")
    for ranks, events, first, again in rows:
        print(
            f"| {ranks} | {events:,} | {first.wall_s:.1f} | {first.cpu_s:.1f} | {first.peak_mb:.0f} "
            f"| {again.wall_s:.1f} | {again.cpu_s:.1f} |"
        )
    for (_, few, one, _), (_, many, other, _) in pairwise(rows):
        if many > few:
            power = math.log(other.cpu_s / one.cpu_s) / math.log(many / few)
            print(f"from {few:,} to {many:,} events CPU grows with the power {power:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--grid", nargs="+", default=["1x100000", "1x1000000", "8x100000"], metavar="RANKSxEVENTS"
    )
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    if not TRACE.is_file():
        raise SystemExit(f"no trace at {TRACE}")
    grid = [(int(ranks), int(events)) for ranks, _, events in (cell.partition("x") for cell in chosen.grid)]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        starts(chosen.repeat)
        cells(grid, Path(folder), chosen.repeat, built_limit(Path(folder)))


if __name__ == "__main__":
    main()
