"""`commscope check`: the gate for CI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commscope.cli.common import emit, hint, load, output_options, tell
from commscope.cli.recordings import is_recording, is_run, recordings_at
from commscope.errors import EXIT_BUDGET_BROKEN, UsageProblem

if TYPE_CHECKING:
    from commscope.analysis.result import Analysis
    from commscope.check import Baseline, Config, Verdict
    from commscope.check.samples.history import Series

DEFAULT_BASELINE = "traces"
HISTORY_METRICS = (
    "step.time",
    "communication.exposed",
    "communication.wire_bytes",
    "stall.blocking",
    "memory.peak",
)


@click.command("check")
@click.argument("runs", nargs=-1)
@click.option(
    "--baseline",
    metavar="DIR",
    help="Folder of baselines, or a recorded run [default: from the configuration, or traces].",
)
@click.option("--config", metavar="FILE", help="commscope.toml or pyproject.toml [default: the nearest].")
@click.option(
    "--update-baseline", is_flag=True, help="Take RUNS as the new baseline; in CI this still exits 1."
)
@click.option(
    "--history", metavar="DIR", help="Look for change points over the runs in DIR, ordered by name."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes [default: by size].")
@output_options("text", "json", "junit", "github", "markdown", "html")
def command(
    runs: tuple[str, ...],
    baseline: str | None,
    config: str | None,
    update_baseline: bool,
    history: str | None,
    jobs: int | None,
    form: str,
    output: str | None,
    force: bool,
) -> int:
    """Hold RUNS against their baselines and budgets; without RUNS, the saved runs of the baseline folder.

    --history DIR without RUNS checks nothing else.
    Exits 0 when every budget holds, 1 when one is broken, 2 when it could not be told.
    """
    from commscope.check import check, load_config
    from commscope.check.visited import with_unanswerable

    rules = load_config(Path(config) if config else None)
    folder = Path(baseline or rules.baseline or DEFAULT_BASELINE)
    if history and not runs and not baseline:
        emit(_render_history(_history(history, jobs), form), output, force=force)
        return 0
    analyses = [load(str(path), jobs=jobs) for path in _found(runs, folder)]
    known = _baselines(folder, rules, update=update_baseline, jobs=jobs)
    if update_baseline and not known:
        return _update(analyses, known, folder)
    verdict = with_unanswerable(check(analyses, known, rules), analyses)
    verdict = _with_unvisited(verdict, runs, folder, known, rules)
    series = _history(history, jobs) if history else ()
    emit(_render(verdict, series, form), output, force=force)
    _append_summary(verdict)
    if update_baseline:
        return _update(analyses, known, folder)
    if form == "text" and verdict.status == "fail" and known:
        hint("commscope check ... --update-baseline takes the new numbers, if they are meant")
    return verdict.exit_code


def _found(runs: Sequence[str], folder: Path) -> tuple[Path, ...]:
    from commscope.readers.runs.find import find_runs

    for run in runs:
        if not run or not Path(run).exists():
            raise UsageProblem("no such run", where=run, hint="check the path")
    found = find_runs([Path(run) for run in runs] if runs else [folder])
    if not runs and found == (folder,) and not (folder / "run.json").exists():
        raise UsageProblem("no runs to check", where=str(folder), hint="commscope check RUN --baseline DIR")
    return found


def _with_unvisited(
    verdict: Verdict, runs: Sequence[str], folder: Path, known: dict[str, Baseline], rules: Config
) -> Verdict:
    """Who names runs means these; who names folders of them, or nothing, means all that is known."""
    from commscope.check.visited import with_unmatched, with_unvisited
    from commscope.readers.runs.find import holds_runs, passed_over

    pointed = [Path(run) for run in runs] or [folder]
    due = known if any(map(holds_runs, pointed)) else ()
    lost = [path for path in passed_over(pointed) if path.name not in known or path.parent != folder]
    return with_unmatched(with_unvisited(verdict, due, lost), rules.patterns, known)


def _baselines(folder: Path, rules: Config, *, update: bool, jobs: int | None) -> dict[str, Baseline]:
    """Baselines where there are some, or the recordings the user named; expectations alone need none."""
    from commscope.check import Baseline, load_baselines, snapshot

    recorded = [place for place in recordings_at(str(folder)) if is_run(Path(place))]
    if recorded and not update:
        runs = tuple(snapshot(load(place, jobs=jobs)) for place in recorded)
        return {folder.name: Baseline(folder.name, runs, str(folder), recorded[0])}
    is_optional = update or bool(rules.expectations)
    if is_optional and not any(folder.glob("**/expected.json")):
        return {}
    return load_baselines(folder)


def _history(folder: str, jobs: int | None) -> tuple[Series, ...]:
    """Change points warn; they never fail the gate."""
    from commscope.check import snapshot
    from commscope.check.samples.history import history
    from commscope.readers.runs.find import find_runs

    runs = [snapshot(load(str(path), jobs=jobs)) for path in find_runs([Path(folder)])]
    return history(runs, HISTORY_METRICS)


def _render_history(series: tuple[Series, ...], form: str) -> str:
    if form == "json":
        from commscope.report.contract import dumps, history_document

        return dumps({"schema": "commscope.history/1", "history": history_document(series)})
    from commscope.report import render
    from commscope.report.verdict_sections import history_sections

    renderer = getattr(render, form, None)
    if renderer is None:
        raise UsageProblem(f"no history as {form}", hint="--format text, markdown or json")
    return renderer(history_sections(series))  # type: ignore[no-any-return]


def _render(verdict: Verdict, series: tuple[Series, ...], form: str) -> str:
    if form == "json":
        from commscope.report.contract import dumps, history_document, verdict_document

        return dumps({**verdict_document(verdict), "history": history_document(series)})
    if form == "junit":
        from commscope.report.junit import junit

        return junit(verdict)
    if form == "github":
        from commscope.report.github import github

        return github(verdict)
    from commscope.report import render
    from commscope.report.verdict_sections import history_sections, verdict_sections

    if form == "html":
        from commscope.report.check_html import check_html

        return check_html(verdict, series)
    sections = (*verdict_sections(verdict), *history_sections(series))
    return getattr(render, form)(sections)  # type: ignore[no-any-return]


def _append_summary(verdict: Verdict) -> None:
    """GitHub shows what is appended to this file on the job's page."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        from commscope.report.github import step_summary

        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(step_summary(verdict))
        except OSError as error:
            raise UsageProblem(f"cannot write the summary: {error.strerror}", where=summary) from error


def _update(analyses: Sequence[Analysis], known: dict[str, Baseline], folder: Path) -> int:
    """Write expected.json of every configuration; a bot in CI cannot bless itself."""
    from commscope.check import group_runs, snapshot, write_baseline
    from commscope.check.samples.worth import doubts, unfit

    for analysis in analyses:
        if why := unfit(analysis):
            raise UsageProblem(f"no baseline: {why}", where=str(analysis.run.path), hint="record it again")
        for doubt in doubts(analysis):
            tell(f"warning: {analysis.run.name}: {doubt}")
    for name, members in group_runs([snapshot(analysis) for analysis in analyses], known).items():
        if is_recording(folder / name):
            hint_words = "name another folder, such as --baseline traces"
            raise UsageProblem(
                "a recorded run is no place for a baseline", where=str(folder / name), hint=hint_words
            )
        tell(f"baseline {write_baseline(members, folder / name)}")
    if os.environ.get("CI"):
        click.echo("the baseline was updated in CI: commit it from a checkout; exit 1", err=True)
        return EXIT_BUDGET_BROKEN
    return 0
