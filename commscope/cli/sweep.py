"""`commscope sweep`: record a list of layouts, or take recorded runs, and tabulate how they scale."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commscope.cli.common import emit, hint, load, output_options
from commscope.cli.record import command as record_command
from commscope.cli.record import run_request, workload_request
from commscope.cli.recordings import recordings_at
from commscope.errors import UsageProblem
from commscope.units import ABSENT, format_bytes, format_percent, format_time

if TYPE_CHECKING:
    from commscope.compare.scaling import ScalingRow

SWEEP_SCHEMA = "commscope.sweep/1"


@click.command("sweep")
@click.argument("layouts", nargs=-1, required=True)
@click.option("--runs", default="runs/sweep", show_default=True, help="Folder where layouts are recorded.")
@click.option("--workload", default="gpt", show_default=True)
@click.option(
    "--weak", is_flag=True, help="Grow layers with the ranks; without it every layout does the same work."
)
@click.option("--layers", type=int, default=2, show_default=True)
@click.option("--hidden", type=int, default=256, show_default=True)
@click.option("--steps", type=int, default=5, show_default=True)
@click.option(
    "--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="Recordings of each, in turn."
)
@output_options("text", "markdown", "json")
def command(
    layouts: tuple[str, ...], form: str, output: str | None, force: bool, repeat: int, **options: Any
) -> None:
    """Tabulate LAYOUTS: recorded runs, or layouts to record such as tp=1 tp=2 tp=2,sp dp=2.

    Efficiency is operations per rank and second over the first row's, so it holds when the model grows.
    Speedup and efficiency need three recordings of each (--repeat 3, or names of NAME-1, NAME-2, NAME-3).
    """
    from commscope.compare.scaling import scaling_rows

    runs = [[run] for run in layouts]
    for turn in range(1, repeat + 1):
        suffix = f"-{turn}" if repeat > 1 else ""
        for place, layout in enumerate(layouts):
            found = _recorded(layout, suffix=suffix, force=force, **options)
            runs[place] = [*([] if turn == 1 else runs[place]), *found]
    rows = scaling_rows([[load(run) for run in dict.fromkeys(side)] for side in runs])
    emit(_render(rows, form, weak=options["weak"]), output, force=force)
    if form == "text":
        hint(f"commscope compare {runs[0][0]} {runs[-1][0]}")


def _recorded(
    layout: str, *, runs: str, workload: str, weak: bool, suffix: str, force: bool, **options: Any
) -> tuple[str, ...]:
    """Runs that exist already, or a recording of the layout."""
    known = recordings_at(layout)
    if Path(known[0]).exists():
        return known
    typed = _typed(layout)
    ranks = _number(typed, "--tp") * _number(typed, "--dp")
    layers = options["layers"] * (ranks if weak else 1)
    sizes = ["--layers", layers, "--hidden", options["hidden"], "--steps", options["steps"]]
    arguments = [workload, *map(str, sizes), *typed, *["--force"] * force]  # the last of an option wins
    parsed = record_command.make_context("record", arguments).params
    del parsed["target"], parsed["module"], parsed["output"], parsed["repeat"]
    name = layout.replace("=", "").replace(",", "-") + "-weak" * weak + suffix
    return (str(run_request(workload_request(workload, str(Path(runs) / name), parsed))),)


def _typed(layout: str) -> list[str]:
    """`tp=2,sp` as options of record."""
    typed: list[str] = []
    for word in layout.split(","):
        name, _, value = word.partition("=")
        if not name.replace("-", "").isalnum():
            raise UsageProblem(f"cannot read layout {layout!r}", hint="write tp=2,sp or name a recorded run")
        typed += [f"--{name}", value] if value else [f"--{name}"]
    return typed


def _number(typed: list[str], option: str) -> int:
    if option not in typed:
        return 1
    value = typed[typed.index(option) + 1]
    if not value.isdigit():
        raise UsageProblem(f"{option} {value} is no number", hint="write tp=2,sp")
    return int(value)


def _render(rows: tuple[ScalingRow, ...], form: str, *, weak: bool) -> str:
    if form == "json":
        from commscope.report.plain_json import dumps

        return dumps(
            {"schema": SWEEP_SCHEMA, "weak": weak, "rows": [dataclasses.asdict(row) for row in rows]}
        )
    from commscope.report import render
    from commscope.report.sections import Section, cut

    cells = [
        (
            row.run,
            str(row.ranks),
            format_time(row.step_ns),
            _shown(row, ABSENT if row.speedup is None else f"{row.speedup:.2f}"),
            _shown(row, format_percent(row.efficiency)),
            format_time(row.exposed_ns),
            format_bytes(row.wire_bytes),
            format_bytes(row.peak_bytes),
        )
        for row in rows
    ]
    columns = ("run", "ranks", "step", "speedup", "efficiency", "exposed", "wire per rank", "peak memory")
    title = f"{'Weak' if weak else 'Strong'} scaling against {rows[0].run}"
    doubts = tuple(f"{row.run}: not shown, for {row.doubt}." for row in rows if row.doubt)
    return getattr(render, form)([Section(title, doubts, cut(columns, cells, 40))])  # type: ignore[no-any-return]


def _shown(row: ScalingRow, words: str) -> str:
    """A ratio of times, or that the recordings do not show one."""
    return words if not row.doubt or words == ABSENT else "not shown"
