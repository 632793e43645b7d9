"""The map over ranks: the same answer in this process and in others, and errors a user can act on."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from commscope.analysis.result import Analysis
from commscope.engine import analyze, cluster, workers
from commscope.errors import UnreadableTrace, UsageProblem
from commscope.readers import open_run
from commscope.trace import RankPart, Run, RunInfo
from tests.conftest import CHECKOUT


@pytest.fixture
def run(real_traces: Path) -> Run:
    return open_run(real_traces / "gloo" / "mcore0161_tp2")


def same(one: Analysis, other: Analysis) -> bool:
    pd.testing.assert_frame_equal(one.instances, other.instances)
    return (one.breakdown, one.clock, one.stalls, one.matching) == (
        other.breakdown,
        other.clock,
        other.stalls,
        other.matching,
    )


def test_processes_give_what_this_process_gives_and_report_each_rank(run: Run) -> None:
    done: list[int] = []
    inline = analyze(run, jobs=1)
    spread = analyze(run, jobs=2, on_rank=done.append)
    assert same(inline, spread)
    assert sorted(done) == [0, 1]


def test_an_unreadable_rank_is_told_from_a_worker_as_from_here(tmp_path: Path) -> None:
    parts = tuple(RankPart(rank, tmp_path / f"rank{rank}.json", "kineto") for rank in (0, 1))
    for part in parts:
        part.path.write_text("this is no trace")
    broken = Run(RunInfo("run", tmp_path), parts)
    for jobs in (1, 2):
        with pytest.raises(UnreadableTrace):
            analyze(broken, jobs=jobs)


def test_zero_processes_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="0 processes"):
        analyze(Run(RunInfo("run", tmp_path), ()), jobs=0)


def test_a_scheduler_without_dask_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageProblem) as caught:
        analyze(Run(RunInfo("run", tmp_path), ()), scheduler="tcp://127.0.0.1:1")
    assert "pip install distributed" in caught.value.hint


NEEDS_DASK = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the extra cluster"
)


@NEEDS_DASK
@pytest.mark.parametrize("nonsense", ["nonsense", "tcp://", "host", "tcp://a b:1", "127.0.0.1:99999999", ""])
def test_what_is_no_address_is_told_at_once(nonsense: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="not the address"):
        analyze(Run(RunInfo("run", tmp_path), ()), scheduler=nonsense)


@NEEDS_DASK
def test_a_scheduler_alone_and_one_that_is_gone_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    monkeypatch.setattr(cluster, "WORKERS_WITHIN_S", 0.3)
    monkeypatch.setattr(cluster, "ANSWERS_WITHIN_S", 1)
    empty = Run(RunInfo("run", tmp_path), ())
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as alone:
        address = alone.scheduler_address
        with pytest.raises(UsageProblem, match="has no workers"):
            analyze(empty, scheduler=address)
    with pytest.raises(UsageProblem, match="no Dask scheduler answers"):
        analyze(empty, scheduler=address)


@NEEDS_DASK
def test_a_relative_path_is_found_and_one_not_shared_is_told_with_the_worker(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    monkeypatch.chdir(run.info.path.parent)
    near = replace(
        run, parts=tuple(replace(part, path=Path(run.info.path.name) / part.path.name) for part in run.parts)
    )
    gone = replace(run, parts=(replace(run.parts[0], path=Path("nowhere.json.gz")),))
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as here:
        assert same(analyze(run, jobs=1), analyze(near, scheduler=here.scheduler_address))
        with pytest.raises(UnreadableTrace, match="not seen on worker tcp://") as caught:
            analyze(gone, scheduler=here.scheduler_address)
    assert "share" in caught.value.hint


@NEEDS_DASK
def test_a_dask_cluster_gives_what_this_process_gives(run: Run) -> None:
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as here:
        assert same(analyze(run, jobs=1), analyze(run, scheduler=here.scheduler_address))
        os.kill(next(iter(here.workers.values())).pid, signal.SIGKILL)  # what it has is done by the other
        assert same(analyze(run, jobs=1), analyze(run, scheduler=here.scheduler_address))


UNGUARDED = """
from pathlib import Path
from commscope.engine import analyze, over_ranks
from commscope.readers import open_run
from tests.test_engine import end
run = open_run(Path({run!r}))
{call}
"""


def end(*_: object) -> None:
    """What a worker does that the kernel ends."""
    os._exit(9)


@pytest.mark.parametrize(
    ("call", "said", "hint"),
    [
        ("analyze(run, jobs=2)", "no worker process could start", "if __name__ == '__main__'"),
        ("if __name__ == '__main__': list(over_ranks(run, end, jobs=2))", "a worker process died", "memory"),
    ],
    ids=["a script without a guard", "a worker that is killed"],
)
def test_why_workers_ended_is_told(tmp_path: Path, call: str, said: str, hint: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED.format(run=str(CHECKOUT / "traces" / "gpt-tp2"), call=call))
    command, paths = [sys.executable, str(script)], {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, check=False)
    *_, what, _where, hinted = done.stderr.splitlines()
    assert what.endswith(f"error: {said}")
    assert hint in hinted


@pytest.mark.parametrize(
    ("name", "size", "worth"),
    [("r.json.gz", 10_000_000, False), ("r.json.gz", 40_000_000, True), ("r.json", 40_000_000, False)],
)
def test_processes_are_started_where_the_work_pays_for_them(
    name: str, size: int, worth: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(size)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    parts = tuple(RankPart(rank, path, "kineto") for rank in range(3))
    assert workers._workers(parts[:1]) == 1
    assert (workers._workers(parts) > 1) is worth
