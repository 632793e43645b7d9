"""A run in numbers: for Prometheus, for trackers, and for runs that appear while somebody watches."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import commscope
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.analysis.summary import communication_class
from commscope.cli.main import run
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.report.gauges import exposition, flat, gauges_of
from commscope.trace import RunInfo
from tests.build import build
from tests.conftest import CHECKOUT

TRACE = CHECKOUT / "traces" / "gpt-tp2"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(open_run(TRACE), jobs=1)


def analyzed(*lines: str, **options: object) -> Analysis:
    traces = build(*lines, **options)
    return join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in traces])


def test_numbers_are_those_of_the_tables(analysis: Analysis) -> None:
    told = flat(gauges_of(analysis))
    step = [row for row in analysis.breakdown if row.window == "step 7"]
    assert told["step_seconds"] == max(row.span_ns for row in step) / 1e9
    assert told["compute_ratio"] == sum(row.compute_ns for row in step) / sum(row.span_ns for row in step)
    here = analysis.instances.query("window == 'step 7' and collective == 'all_reduce'")
    assert told["wire_bytes/all_reduce"] == here["wire_bytes"].sum() / 2
    assert told["transfer_busbw_bytes_per_second/all_reduce"] == pytest.approx(
        here["wire_bytes"].sum() / here["transfer_ns"].sum() * 1e9
    )
    assert "host_bound_ratio" not in told  # on gloo it cannot be told from idle
    assert told == commscope.load(TRACE, jobs=1).summary()


def test_the_text_is_prometheus(analysis: Analysis) -> None:
    """Read back by a grammar of its own: HELP and TYPE before the samples of a family, labels quoted."""
    text = exposition({'a "run"\n': gauges_of(analysis), "other": gauges_of(analysis)})
    family = ""
    samples = 0
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {family} gauge"
        else:
            assert line.startswith((family + '{run="a \\"run\\"\\n"', family + '{run="other"')), line
            float(line.rsplit(" ", 1)[1])
            samples += 1
    assert samples == 2 * len(gauges_of(analysis))
    assert len({line for line in text.splitlines() if line.startswith("# TYPE")}) == text.count("# TYPE")


def test_the_command_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(TRACE), "--format", "prometheus"]) == 0
    assert 'commscope_ranks{run="gpt-tp2"} 2' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("late_us", "expected"), [(0, "transfer"), (95, "arrival skew"), (60, "mixed")], ids=str
)
def test_classes_of_communication(late_us: int, expected: str) -> None:
    """Two ranks, one all_reduce of 100 us for the first; the second comes late: half of both rows waits."""
    lines = ("r0: all_reduce 0-100", f"r1: all_reduce {late_us}-100")
    found = analyzed(*lines)
    share = late_us / (200 - late_us)
    assert (share >= 2 / 3, share <= 1 / 3) == (expected == "arrival skew", expected == "transfer")
    assert communication_class(found, "capture") == expected


def test_what_is_not_told_decides_nothing() -> None:
    alone = analyzed("r0: all_reduce 0-100 | compute 100-200", groups={"tp": (0, 1)})
    assert communication_class(alone, "capture") == "inconclusive"


def test_runs_that_appear_are_read_and_what_cannot_be_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(TRACE, tmp_path / "runs" / "one")
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "rank0.json").write_text('{"traceEvents": 5}')
    metrics = tmp_path / "commscope.prom"
    assert run(["watch", str(tmp_path / "runs"), "-o", str(metrics), "--once"]) == 0
    assert 'run="one"' in metrics.read_text()
    assert "bad" not in metrics.read_text()
    told = capsys.readouterr().err
    assert "read one" in told
    assert "left out bad: " in told
    assert run(["watch", str(tmp_path / "nowhere"), "-o", str(metrics), "--once"]) == 2
