"""`commscope doctor RUN`: what is wrong or missing in a trace, and what it costs the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commscope.cli.common import emit, hint, output_options, parse_ranks, progress

if TYPE_CHECKING:
    from commscope.readers.doctor import Finding
    from commscope.report.sections import Section


@click.command("doctor")
@click.argument("run")
@click.option("--rank", "ranks", multiple=True, metavar="FILE=N", help="Rank of a file that lacks it.")
@output_options("text", "markdown", "json")
def command(run: str, ranks: tuple[str, ...], form: str, output: str | None, force: bool) -> None:
    """Examine RUN: coverage, ranks, steps, phases, clocks, damage; what each costs, how to record better."""
    from commscope.readers import open_run, read_rank
    from commscope.readers.doctor import as_json, diagnose, health_of

    found = open_run(Path(run), ranks=parse_ranks(ranks) or None)
    health = []
    with progress(f"examine {found.info.name}", len(found.parts)) as advance:
        for part in found.parts:
            health.append(health_of(read_rank(part, found.info)))
            advance()
    findings = diagnose(found, health)
    if form == "json":
        from commscope.report.plain_json import dumps

        product = dumps(as_json(found, findings))
    else:
        from commscope.report import render

        product = getattr(render, form)(_sections(found.info.name, findings))
    emit(product, output, force=force)
    if form == "text":
        hint(f"commscope analyze {run}")


def _sections(name: str, findings: Sequence[Finding]) -> list[Section]:
    from commscope.core import told as told_of_core
    from commscope.report.sections import Section, cut

    counts = {
        level: sum(finding.level == level for finding in findings) for level in ("serious", "warn", "info")
    }
    told = ", ".join(f"{count} {level}" for level, count in counts.items() if count) or "nothing is wrong"
    rows = [(finding.level, finding.code, finding.message) for finding in findings]
    costs = [
        (finding.code, finding.cost or "-", finding.hint or "-")
        for finding in findings
        if finding.level != "fine" and (finding.cost or finding.hint)
    ]
    sections = [
        Section(
            f"{name}: {told}",
            (f"Read by the {told_of_core()}.",),
            cut(("level", "finding", "what was found"), rows, 40),
        )
    ]
    if costs:
        sections.append(Section("What it costs", (), cut(("finding", "cost", "record better"), costs, 40)))
    return sections
