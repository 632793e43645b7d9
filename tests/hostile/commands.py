"""Every command over a run, without processes: analyze always, one other by chance. Also the laws."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from commscope_dashboard import charts
from commscope_dashboard.pages import PAGES
from commscope_dashboard.runs.library import Library, LoadedRun
from commscope_dashboard.view import view_of

from commscope.analysis.result import Analysis
from commscope.check import Baseline, check, group_runs, load_baselines, load_config, snapshot, write_baseline
from commscope.compare import compare
from commscope.engine import analyze
from commscope.errors import CommScopeError
from commscope.figures.catalog import CHARTS
from commscope.readers import open_run, read_rank
from commscope.readers.doctor.diagnose import as_json, examine
from commscope.report import render
from commscope.report.analysis_sections import analysis_sections
from commscope.report.comparison_sections import comparison_sections
from commscope.report.contract import analysis_document, comparison_document, dumps, verdict_document
from commscope.report.html import analysis_html, comparison_html
from commscope.report.verdict_sections import verdict_sections
from commscope.whatif import Scenario, replay_all
from tests.hostile.laws import check_laws
from tests.hostile.seeds import seed_run


class Commands:
    """The commands, with a whole run to compare with and its baseline."""

    def __init__(self, folder: Path) -> None:
        self.whole = analyze(open_run(written(folder / "whole", _as_bytes(seed_run("nccl", 2)))), jobs=1)
        for name, members in group_runs([snapshot(self.whole)], {}).items():
            write_baseline(members, folder / "baselines" / name)
        self.known: dict[str, Baseline] = load_baselines(folder / "baselines")
        self.rules = load_config(None, start=folder)

    def outcome(self, folder: Path, chance: random.Random) -> str:
        """`analyzed` or `refused`; anything else is a fault of ours and raises."""
        try:
            run = open_run(folder)
            analysis = analyze(run, jobs=1)
        except CommScopeError:
            return "refused"
        check_laws(analysis)
        json.loads(dumps(analysis_document(analysis)), parse_constant=_no_constant)
        assert render.text(analysis_sections(analysis))
        with suppress(CommScopeError):
            chance.choice(_MORE)(self, folder, analysis)
        return "analyzed"


def written(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder of these files and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _as_bytes(files: dict[str, dict[str, object]]) -> dict[str, bytes]:
    return {name: json.dumps(document).encode() for name, document in files.items()}


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")


def _page(_: Commands, __: Path, analysis: Analysis) -> None:
    render.markdown(analysis_sections(analysis))
    analysis_html(analysis)


def _doctor(_: Commands, folder: Path, __: Analysis) -> None:
    run = open_run(folder)
    findings = examine(run, (read_rank(part, run.info) for part in run.parts))
    dumps(as_json(run, findings))


def _whatif(_: Commands, __: Path, analysis: Analysis) -> None:
    for outcome in replay_all(analysis, Scenario()):
        assert outcome.after_ns == outcome.before_ns, outcome.window
    for scenario in (Scenario(no_stragglers=True), Scenario(comm_free=True), Scenario(bandwidth=2.0)):
        for outcome in replay_all(analysis, scenario):
            assert outcome.after_ns >= 0


def _compare(self: Commands, _: Path, analysis: Analysis) -> None:
    for pair in ((self.whole, analysis), (analysis, self.whole), (analysis, analysis)):
        comparison = compare(*pair)
        json.loads(dumps(comparison_document(comparison)), parse_constant=_no_constant)
        render.text(comparison_sections(comparison))


def _comparison_page(self: Commands, _: Path, analysis: Analysis) -> None:
    comparison_html(compare(self.whole, analysis))


def _check(self: Commands, _: Path, analysis: Analysis) -> None:
    verdict = check([analysis], self.known, self.rules)
    json.loads(dumps(verdict_document(verdict)), parse_constant=_no_constant)
    render.text(verdict_sections(verdict))


def _dashboard(self: Commands, folder: Path, analysis: Analysis) -> None:
    library = Library(
        [LoadedRun("whole", folder, analysis=self.whole), LoadedRun("run", folder, analysis=analysis)]
    )
    view = view_of(library, {"run": "run", "candidate": "run"})
    for chart in CHARTS:
        charts.drawn_anew(library, view, chart.key)
    for page in PAGES:
        page.layout(library, view)


# How often each is drawn: what makes figures takes ten times as long as the others.
_MORE: tuple[Callable[[Commands, Path, Analysis], None], ...] = (
    5 * (_doctor,) + 5 * (_whatif,) + 4 * (_compare,) + 5 * (_check,)
    + (_page, _comparison_page, _dashboard)
)  # fmt: skip
