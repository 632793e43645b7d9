"""`commscope export RUN --to perfetto -o FILE`: a run as a timeline for another tool."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import click

from commscope.cli.common import emit_bytes, hint, load, reading_options
from commscope.errors import CommScopeError, UsageProblem

if TYPE_CHECKING:
    from commscope.analysis.result import Analysis
    from commscope.whatif import Scenario


@click.command("export")
@click.argument("run")
@click.option(
    "--to",
    type=click.Choice(("perfetto",)),
    default="perfetto",
    expose_value=False,
    help="What reads it.",
)
@click.option("-o", "--output", required=True, metavar="FILE", help="x.json, or x.json.gz to pack it.")
@click.option("--no-whatif", is_flag=True, help="Leave out the replay without stragglers.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@reading_options
def command(
    run: str,
    output: str,
    no_whatif: bool,
    force: bool,
    ranks: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Write RUN for Perfetto: all ranks on one clock, waits, transfers, arrows, the critical path."""
    if not output.endswith((".json", ".json.gz")):
        raise UsageProblem(
            "the output is neither .json nor .json.gz", where=output, hint="such as run.json.gz"
        )
    analysis = load(run, ranks=ranks, jobs=jobs, scheduler=scheduler)
    data = _document(analysis, None if no_whatif else _scenario(analysis))
    emit_bytes(gzip.compress(data, mtime=0) if output.endswith(".gz") else data, output, force=force)
    hint(f"open {output} in Perfetto", f"commscope analyze {run}")


def _scenario(analysis: Analysis) -> Scenario | None:
    """No stragglers, where the run tells what would happen then."""
    from commscope.whatif import Scenario
    from commscope.whatif.refusals import refuse_unreplayable

    scenario = Scenario(no_stragglers=True)
    try:
        refuse_unreplayable(analysis, scenario)
    except CommScopeError:
        return None
    return scenario


def _document(analysis: Analysis, scenario: Scenario | None) -> bytes:
    import json

    from commscope.report.perfetto import trace_document
    from commscope.report.plain_json import plain

    document = trace_document(analysis, scenario)
    return json.dumps(document, separators=(",", ":"), allow_nan=False, default=plain).encode()
