"""Programs that know nothing of the recorder, plain and recorded in turn: what recording changes and costs.

Run: python -m benchmarks.battery [--only WORD] [--pairs N]. One row of a table a program: whether losses are
equal to the last bit, the steps, what is matched, the exit code, processes left, profiled over plain step
(median over pairs of runs that take turns), and how long rank 0 stood between its last profiled step and the
next one.
A package that is not there is a row that says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import statistics
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.battery.catalog import CATALOG, Listed
from benchmarks.endurance import MARK, alive, gone
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.schema import CAPTURE

STEPS, WARMUP = 2, 2
PATIENCE_S = 600.0
STEP_LINE = re.compile(r"step (\d+) loss (\S+)(?: took (\d+))?")
HEAD = ("program", "losses", "steps", "matched", "exit, left", "profiled / plain", "stood at the end")


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a program: what it printed and how it ended."""

    code: int | None
    losses: tuple[str, ...]
    took_ns: tuple[int, ...]
    left: str
    words: str


def main() -> None:
    """Print the table, a row a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="programs with this word in their names")
    parser.add_argument("--pairs", type=int, default=1)
    options = parser.parse_args()
    print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD), flush=True)
    for program in CATALOG:
        if options.only in program.name:
            print("| " + " | ".join((program.name, *row(program, options.pairs))) + " |", flush=True)


def row(program: Listed, pairs: int) -> tuple[str, ...]:
    """What the pairs of runs of one program say."""
    missing = [name for name in program.needs if not is_installed(name)]
    if missing:
        return (f"not run: {' and '.join(missing)} not installed here", *[""] * (len(HEAD) - 2))
    ratios, stood_ms = [], []
    told: tuple[str, ...] = ()
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            plain, recorded = ran_plain(program, Path(folder)), ran_recorded(program, Path(folder))
            told = findings(plain, recorded, Path(folder) / "run")
            if plain.took_ns and recorded.took_ns and not recorded.code:
                usual = statistics.median(plain.took_ns[2:])
                ratios.append(profiled_ns(Path(folder) / "run") / usual)
                stood_ms.append((recorded.took_ns[WARMUP + STEPS - 1] - usual) / 1e6)
    cost = f"{statistics.median(ratios):.2f}" if ratios else "-"
    stood = f"{max(statistics.median(stood_ms), 0):.0f} ms" if stood_ms else "-"
    return (*told, cost, stood)


def findings(plain: Ran, recorded: Ran, run: Path) -> tuple[str, ...]:
    """Losses, steps, matched, and how it ended."""
    ended = f"{recorded.code}, {recorded.left or 'none'}"
    if plain.code:
        return (f"the plain run ends with {plain.code}: {plain.words}", "", "", ended)
    if recorded.code != 0:
        return (recorded.words, "", "", ended)
    equal = f"{len(plain.losses)} equal" if plain.losses and plain.losses == recorded.losses else "differ"
    found = analyze(open_run(run))
    steps = [window for window in found.windows if window.name != CAPTURE]
    matching = found.matching
    return equal, str(len(steps)), f"{matching.matched} of {matching.instances}", ended


def ran_plain(program: Listed, folder: Path) -> Ran:
    """Under torchrun, or as it starts itself."""
    words = [str(program.script), *program.arguments]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(program.ranks)]
    command = words if program.records_itself else [*launcher, *words]
    return ran([sys.executable, *command], {"STORE": str(folder / "plain-store")})


def ran_recorded(program: Listed, folder: Path) -> Ran:
    """Under `commscope record`, or recording itself; rank 0's lines are on the screen."""
    run = folder / "run"
    if program.records_itself:
        return ran([sys.executable, str(program.script)], {"STORE": str(folder / "store"), "RUN": str(run)})
    options = ["--nproc", str(program.ranks), "--steps", str(STEPS), "--warmup", str(WARMUP)]
    asked = [*options, "--steps-by", program.steps_by, "-o", str(run)]
    words = [str(program.script), *program.arguments]
    return ran([sys.executable, "-m", "commscope", "record", *asked, "--", *words], {})


def ran(command: list[str], environment: dict[str, str]) -> Ran:
    """Run a command to its end."""
    mark = uuid.uuid4().hex
    variables = {**os.environ, "OMP_NUM_THREADS": "1", MARK: mark, **environment}
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        told = process.communicate(timeout=PATIENCE_S)[0]
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *alive(mark)]:
            os.kill(pid, 9)
        told, code = process.communicate()[0], None
    lines = [match for line in told.splitlines() if (match := STEP_LINE.search(line))]
    errors = [line for line in told.splitlines() if "rror" in line] or told.splitlines()[-1:]
    losses = tuple(f"{match[1]} {match[2]}" for match in lines)
    took_ns = tuple(int(match[3]) for match in lines if match[3])
    return Ran(code, losses, took_ns, gone(mark), errors[-1][:160].replace("|", "/") if errors else "")


def profiled_ns(run: Path) -> float:
    """The median profiled step of rank 0."""
    times = msgspec.json.decode((run / "run.json").read_bytes())["step_times"]
    return statistics.median(row["time_ns"] for row in times if row["profiled"] and row["rank"] == 0)


def is_installed(name: str) -> bool:
    """Whether a package can be found, without importing more than its parents."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
