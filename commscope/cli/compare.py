"""`commscope compare BASELINE CANDIDATE`: the product's question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commscope.cli.common import emit, gpu_option, hint, output_options, reading_options
from commscope.cli.recordings import load_recordings
from commscope.errors import NotComparable

if TYPE_CHECKING:
    from commscope.compare import Comparison


@click.command("compare")
@click.argument("baseline")
@click.argument("candidate")
@gpu_option
@output_options("text", "markdown", "json", "html")
@reading_options
def command(
    baseline: str,
    candidate: str,
    gpu: str | None,
    form: str,
    output: str | None,
    force: bool,
    ranks: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Is CANDIDATE better than BASELINE, by how much, and why.

    A name without a run stands for its recordings NAME-1, NAME-2, ...; three a side can show a winner in
    time. Runs that cannot be compared exit 2; what still makes sense is written all the same.
    """
    from commscope.compare import compare_recordings

    options = {"ranks": ranks, "jobs": jobs, "scheduler": scheduler}
    sides = (load_recordings(run, **options) for run in (baseline, candidate))
    comparison = compare_recordings(*sides, gpu=gpu)
    emit(render_comparison(comparison, form), output, force=force)
    if not comparison.comparable:
        from commscope.report.comparison_sections import difference_words

        breaking = "; ".join(difference_words(row) for row in comparison.differences if row.breaks)
        raise NotComparable(
            "the runs answer different questions, so times are not compared",
            where=breaking,
            hint="record both with the same model, ranks and software; counts and bytes are shown above",
        )
    if form == "text":
        hint(
            f"commscope compare {baseline} {candidate} --format html -o comparison.html",
            f"commscope dashboard {baseline} {candidate}",
        )


def render_comparison(comparison: Comparison, form: str) -> str:
    """The comparison as text, markdown, json or one self-contained HTML file."""
    if form == "json":
        from commscope.report.contract import comparison_document, dumps

        return dumps(comparison_document(comparison))
    if form == "html":
        from commscope.report.html import comparison_html

        return comparison_html(comparison)
    from commscope.report import render
    from commscope.report.comparison_sections import comparison_sections

    return getattr(render, form)(comparison_sections(comparison))  # type: ignore[no-any-return]
