"""`commscope whatif RUN`: the same step under other circumstances."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from commscope.cli.common import emit, hint, load, output_options, reading_options
from commscope.errors import UsageProblem
from commscope.schema import CAPTURE
from commscope.units import format_percent, format_time

if TYPE_CHECKING:
    from commscope.report.sections import Section
    from commscope.whatif import Outcome, Scenario, Slowdown


WHATIF_SCHEMA = "commscope.whatif/1"
MOST_WINDOWS = 20


@click.command("whatif")
@click.argument("run")
@click.option(
    "--no-stragglers", is_flag=True, help="No rank is slower than the others: throughout, or now and then."
)
@click.option(
    "--no-straggler",
    "stragglers",
    type=int,
    multiple=True,
    metavar="RANK",
    help="The same, of one rank.",
)
@click.option(
    "--equalize",
    type=click.Choice(("compute", "stage", "all")),
    help="Ranks share alike: compute, the stages of a pipeline, or all; tells S = actual / ideal.",
)
@click.option("--comm-free", is_flag=True, help="Transfers take no time.")
@click.option(
    "--bandwidth", default="1x", metavar="FACTOR", help="2x: the part that grows with bytes halves."
)
@click.option("--latency", default="1x", metavar="FACTOR", help="0.5x: the part that does not grow halves.")
@click.option(
    "--scale", "scales", multiple=True, metavar="WHAT=FACTOR", help="all_gather=0.5, compute@rank3=0.8"
)
@output_options("text", "markdown", "json")
@reading_options
def command(
    run: str,
    no_stragglers: bool,
    stragglers: tuple[int, ...],
    equalize: str | None,
    comm_free: bool,
    bandwidth: str,
    latency: str,
    scales: tuple[str, ...],
    form: str,
    output: str | None,
    force: bool,
    ranks: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Replay RUN's steps with changed durations; what waits on what stays as recorded."""
    from commscope.whatif import Scenario, parse_factor, parse_scale, replay_all, slowdown

    scenario = Scenario(
        no_stragglers=no_stragglers,
        comm_free=comm_free,
        bandwidth=parse_factor(bandwidth),
        latency=parse_factor(latency),
        scales=tuple(parse_scale(scale) for scale in scales),
        equalize=equalize,
        stragglers=stragglers,
    )
    if scenario.changes_nothing:
        raise UsageProblem(
            "nothing is to be different", hint="--no-stragglers, --comm-free, --bandwidth 2x …"
        )
    analysis = load(run, ranks=ranks, jobs=jobs, scheduler=scheduler)
    outcomes = replay_all(analysis, scenario)
    slow = None if equalize is None else slowdown(analysis, equalize)
    emit(_render(scenario, outcomes, slow, form), output, force=force)
    if form == "text":
        hint(f"commscope analyze {run}", f"commscope dashboard {run}")


def _render(scenario: Scenario, outcomes: tuple[Outcome, ...], slow: Slowdown | None, form: str) -> str:
    if form == "json":
        from commscope.report.plain_json import dumps
        from commscope.whatif import scenario_words

        steps = [
            {"window": one.window, "recorded_ns": one.before_ns, "replayed_ns": one.after_ns}
            for one in _steps(outcomes)
        ]
        documents = [_document(outcome) for outcome in outcomes]
        told: dict[str, Any] = {"scenario": scenario_words(scenario), "steps": steps, "outcomes": documents}
        if slow is not None:
            told["slowdown"] = asdict(slow)
        return dumps({"schema": WHATIF_SCHEMA, **told})
    from commscope.report import render

    return getattr(render, form)(_sections(scenario, outcomes, slow))  # type: ignore[no-any-return]


def _steps(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """The steps; the capture where none are marked."""
    return tuple(one for one in outcomes if one.window != CAPTURE) or outcomes


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "window": outcome.window,
        "before_ns": outcome.before_ns,
        "after_ns": outcome.after_ns,
        "becomes_critical": outcome.becomes_critical,
        "before_by_kind_ns": outcome.before.by_kind_ns,
        "after_by_kind_ns": outcome.after.by_kind_ns,
        "after_by_rank_ns": outcome.after.by_rank_ns,
    }


def _sections(scenario: Scenario, outcomes: tuple[Outcome, ...], slow: Slowdown | None) -> list[Section]:
    from commscope.report.sections import Section, cut
    from commscope.whatif import slowdown_words

    sections = [_section(scenario, outcomes)]
    if slow is not None:
        rows = [(kind, f"{s:.3f}") for kind, s in slow.by_kind.items()]
        rows += [(f"rank {rank}", f"{s:.3f}") for rank, s in slow.by_rank.items()]
        rows += [(f"stage {stage}", f"{s:.3f}") for stage, s in slow.by_stage.items()]
        table = cut(("what alone is not equal", "S"), rows, MOST_WINDOWS)
        sections.append(Section("Slower than if ranks shared alike", (slowdown_words(slow),), table))
    return sections


def _section(scenario: Scenario, outcomes: tuple[Outcome, ...]) -> Section:
    from commscope.report.sections import Section, cut
    from commscope.whatif import outcome_words

    rows = [
        (
            outcome.window,
            format_time(outcome.before_ns),
            format_time(outcome.after_ns),
            format_percent(outcome.ratio - 1, signed=True),
            outcome.becomes_critical,
            format_percent(_share(outcome)),
        )
        for outcome in outcomes
    ]
    columns = ("window", "recorded", "replayed", "change", "critical then", "share of the path")
    sentence = outcome_words(outcomes[0], scenario)
    return Section("What if", (sentence,), cut(columns, rows, MOST_WINDOWS))


def _share(outcome: Outcome) -> float:
    """Part of the new path that its largest kind takes."""
    return outcome.after.by_kind_ns.get(outcome.becomes_critical, 0) / max(1, outcome.after_ns)
