"""`commscope demo`: the whole way of the data on this machine, in a few minutes."""

from __future__ import annotations

from pathlib import Path

import click

from commscope.cli.common import emit, hint, load
from commscope.cli.compare import render_comparison
from commscope.cli.record import command as record_command
from commscope.cli.record import run_request, workload_request
from commscope.cli.recordings import numbered


@click.command("demo")
@click.option("-o", "--output", default="runs/demo", show_default=True, help="Folder of runs and report.")
@click.option("--steps", type=int, default=8, show_default=True, help="Steps to profile in each run.")
@click.option(
    "--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Recordings of each."
)
@click.option("--force", is_flag=True, help="Replace runs of an earlier demo.")
def command(output: str, steps: int, repeat: int, force: bool) -> None:
    """Record TP=2 and TP=2 with sequence parallelism on gloo in turn, compare them, write the report."""
    from commscope.compare import compare_recordings

    folder = Path(output)
    turns = list(zip(numbered(folder / "tp2", repeat), numbered(folder / "tp2-sp", repeat), strict=True))
    for plain, parallel in turns:
        _record(plain, sp=False, steps=steps, force=force)
        _record(parallel, sp=True, steps=steps, force=force)
    comparison = compare_recordings(*([load(str(run)) for run in side] for side in zip(*turns, strict=True)))
    report = folder / "comparison.html"
    emit(render_comparison(comparison, "html"), str(report), force=force)
    emit(render_comparison(comparison, "text"), None, force=force)
    baseline, candidate = turns[0]
    hint(
        f"open {report} in a browser",
        f"commscope analyze {candidate}",
        f"commscope compare {folder / 'tp2'} {folder / 'tp2-sp'} --format markdown",
        f"commscope dashboard {baseline} {candidate}",
    )


def _record(run: Path, *, sp: bool, steps: int, force: bool) -> Path:
    """One run of the built-in GPT, with the options a user would type."""
    typed = ["gpt", "--tp", "2", "--backend", "gloo", "--steps", str(steps)]
    typed += ["--sp"] * sp + ["--force"] * force
    options = record_command.make_context("record", typed).params
    del options["target"], options["module"], options["output"], options["repeat"]
    return run_request(workload_request("gpt", str(run), options))
