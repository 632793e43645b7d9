"""`commscope watch DIR`: runs that appear or grow are analyzed, and their numbers kept for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commscope.cli.common import tell
from commscope.errors import CommScopeError, UsageProblem
from commscope.whole import write_whole

if TYPE_CHECKING:
    from commscope.report.gauges import Gauge

State = tuple[tuple[str, int, int], ...]  # name, size and time of change of each file of a run


@click.command("watch")
@click.argument("folder")
@click.option("-o", "--output", required=True, metavar="FILE.prom", help="Written whole after each change.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Look once and end.")
def command(folder: str, output: str, interval: float, once: bool) -> None:
    """Analyze runs under FOLDER as they appear: transfer busbw, waiting, culprits as metrics.

    A run is read when its files have stood still for one interval; one that cannot be read is left out.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UsageProblem("not a folder", where=folder, hint="name a folder of runs")
    seen: dict[Path, State] = {}
    done: dict[Path, State] = {}
    written: dict[str, Sequence[Gauge]] = {}
    while True:
        now = _states(root)
        ready = [
            run for run, state in now.items() if done.get(run) != state and (once or seen.get(run) == state)
        ]
        for run in ready:
            done[run] = now[run]
            _read(run, root, written)
        gone = [name for name in written if root / name not in now]
        for name in gone:
            del written[name]
        if ready or gone or once:
            _write(Path(output), written)
        if once:
            return
        seen = now
        time.sleep(interval)


def _states(root: Path) -> dict[Path, State]:
    from commscope.readers.runs.find import find_runs

    return {run: _state(run) for run in find_runs([root]) if run != root or any(root.iterdir())}


def _state(run: Path) -> State:
    files = sorted(run.rglob("*")) if run.is_dir() else [run]
    found = []
    for file in files:
        try:
            told = file.stat()
        except OSError:
            continue
        found.append((str(file), told.st_size, told.st_mtime_ns))
    return tuple(found)


def _read(run: Path, root: Path, written: dict[str, Sequence[Gauge]]) -> None:
    from commscope.engine import analyze
    from commscope.readers import open_run
    from commscope.report.gauges import gauges_of

    name = str(run.relative_to(root)) if run != root else run.resolve().name
    try:
        written[name] = gauges_of(analyze(open_run(run)))
        tell(f"read {name}")
    except CommScopeError as error:
        written.pop(name, None)
        tell(f"left out {name}: {error.what}")


def _write(output: Path, written: dict[str, Sequence[Gauge]]) -> None:
    from commscope.report.gauges import exposition

    try:
        write_whole(output, exposition(written).encode())
    except OSError as error:
        raise UsageProblem(f"cannot write the metrics: {error.strerror}", where=str(output)) from error
