"""`commscope analyze RUN`: where did the step go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commscope.cli.common import emit, gpu_option, hint, load, output_options, reading_options
from commscope.errors import UsageProblem

if TYPE_CHECKING:
    from commscope.analysis.result import Analysis


@click.command("analyze")
@click.argument("run")
@click.option("--step", type=int, help="Show this step instead of the median one.")
@click.option(
    "--top", type=click.IntRange(min=0), default=0, help="Also the N worst collectives, kernels, idle times …"
)
@gpu_option
@output_options("text", "markdown", "json", "html", "prometheus")
@reading_options
def command(
    run: str,
    step: int | None,
    top: int,
    gpu: str | None,
    form: str,
    output: str | None,
    force: bool,
    ranks: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Where did the step of RUN go: a folder of ranks, one trace, an nsys export or a slim run."""
    analysis = load(run, ranks=ranks, jobs=jobs, scheduler=scheduler)
    emit(_render(analysis, form, (_window(analysis, step), top), gpu), output, force=force)
    if form == "text":
        hint(f"commscope compare {run} OTHER_RUN", f"commscope doctor {run}", f"commscope dashboard {run}")


def _window(analysis: Analysis, step: int | None) -> str | None:
    if step is None:
        return None
    steps = {window.step: window.name for window in analysis.windows if window.step is not None}
    if step not in steps:
        found = ", ".join(map(str, steps)) or "none"
        raise UsageProblem(
            f"there is no step {step}", where=str(analysis.run.path), hint=f"steps found: {found}"
        )
    return steps[step]


def _render(analysis: Analysis, form: str, shown: tuple[str | None, int], gpu: str | None) -> str:
    """What is asked for; `shown` is the window and how many rows of each table."""
    if form == "json":
        from commscope.report.contract import analysis_document, dumps

        return dumps(analysis_document(analysis, gpu))
    if form == "prometheus":
        from commscope.report.gauges import exposition, gauges_of

        return exposition({analysis.run.name: gauges_of(analysis)})
    if form == "html":
        from commscope.report.html import analysis_html

        return analysis_html(analysis)
    from commscope.report import render
    from commscope.report.analysis_sections import analysis_sections

    return getattr(render, form)(analysis_sections(analysis, shown[0], gpu, shown[1]))  # type: ignore[no-any-return]
