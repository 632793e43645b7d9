"""Ranks that fail in every way, with real processes: who is blamed, what is left, nobody survives."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from commscope.errors import BackendProblem, CommScopeError, RecordFailed, UsageProblem
from commscope.record.handover.request import Nodes, RecordRequest
from commscope.record.launcher.launch import record
from commscope.trace import Layout, ModelShape
from tests.record.programs import TRAIN, is_alive, marked_incomplete, pids_of

GPT = ModelShape("gpt", 2, 32, 64, 4, 4, vocab=64, seq=16, batch=2)


def script(folder: Path, fail: str) -> tuple[str, ...]:
    path = folder / "train.py"
    path.write_text(TRAIN.replace("FAIL", fail), encoding="utf-8")
    return (str(path), "--lr", "1")


def request(folder: Path, fail: str, **changes: object) -> RecordRequest:
    base = RecordRequest(folder / "run", "train.py", script(folder, fail), nproc=2, steps=3, warmup=2)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.record
@pytest.mark.parametrize(
    ("fail", "code", "said"),
    [
        ("raise ValueError('bad data')", 1, "rank 1 failed: ValueError: bad data"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "rank 1 was killed by SIGKILL"),
        ("sys.exit(7)", 7, "rank 1 failed: SystemExit: 7"),
        ("os._exit(9)", 9, "rank 1 exited with code 9"),
    ],
    ids=["raises", "killed", "exits", "exits without a word"],
)
def test_a_rank_that_fails_is_named_and_its_code_passed_on(
    tmp_path: Path, fail: str, code: int, said: str
) -> None:
    with pytest.raises(RecordFailed) as raised:
        record(request(tmp_path, fail))
    assert raised.value.what == said
    assert raised.value.exit_code == code
    assert len(str(raised.value).splitlines()) == 3
    assert marked_incomplete(tmp_path / "run")
    pids = pids_of(tmp_path / "run")
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)


@pytest.mark.record
def test_a_rank_that_hangs_is_named_though_its_peer_is_the_one_that_complains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUP_TIMEOUT", "3")
    with pytest.raises(RecordFailed, match="rank 1 hangs") as raised:
        record(request(tmp_path, "time.sleep(600)", timeout_s=4.0))
    line = 1 + TRAIN[: TRAIN.index("FAIL")].count("\n")
    assert f"train.py:{line}" in raised.value.where
    assert not any(is_alive(pid) for pid in pids_of(tmp_path / "run"))


@pytest.mark.record
def test_a_hang_is_ended_although_the_script_gave_its_groups_no_timeout(tmp_path: Path) -> None:
    with pytest.raises(RecordFailed, match="rank 1 hangs: no step finished within 2 s"):
        record(request(tmp_path, "time.sleep(600)", timeout_s=2.0))
    assert not any(is_alive(pid) for pid in pids_of(tmp_path / "run"))


@pytest.mark.record
def test_a_trace_that_cannot_be_written_whole_is_no_run(tmp_path: Path) -> None:
    limit = (
        "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))"
    )
    with pytest.raises(RecordFailed, match="rank 1: the trace could not be written"):
        record(request(tmp_path, limit))
    assert marked_incomplete(tmp_path / "run")
    assert not (tmp_path / "run" / "rank1.json.gz").exists()


@pytest.mark.record
def test_a_script_with_too_few_steps_says_how_many_it_needs(tmp_path: Path) -> None:
    with pytest.raises(
        RecordFailed, match="ended after 8 steps, before the first profiled one did"
    ) as raised:
        record(request(tmp_path, "pass", warmup=20))
    assert "--warmup 20 --steps 3" in str(raised.value)


def test_an_existing_run_is_kept_without_force(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "rank0.json.gz").write_bytes(b"precious")
    with pytest.raises(UsageProblem, match="the output exists"):
        record(request(tmp_path, "pass"))
    assert (run / "rank0.json.gz").read_bytes() == b"precious"


def test_force_replaces_runs_only_and_never_another_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "thesis.tex").write_text("precious")
    with pytest.raises(UsageProblem, match="is no recorded run"):
        record(request(tmp_path, "pass", force=True))
    assert (run / "thesis.tex").exists()


@pytest.mark.record
def test_a_recording_that_fails_leaves_the_earlier_run_as_it_was(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    for name in ("rank0.json.gz", "run.json", "logs/mine.log"):
        (run / name).write_bytes(b"precious")
    with pytest.raises(RecordFailed) as raised:
        record(request(tmp_path, "raise SystemExit(7)", force=True))
    assert f"the earlier run in {run} is as it was" in str(raised.value)
    assert {path.read_bytes() for path in run.rglob("*") if path.is_file()} == {b"precious"}
    assert len(list(run.rglob("*"))) == 4
    assert marked_incomplete(tmp_path / "run.unfinished")
    assert (tmp_path / "run.unfinished" / "run.json").exists()


@pytest.mark.record
def test_a_whole_recording_replaces_the_run_and_leaves_what_is_not_ours(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    for name in ("rank0.json.gz", "rank9.json.gz", "run.json", "logs/mine.log", "logs/rank9.stderr.log"):
        (run / name).write_bytes(b"old")
    (tmp_path / "run.unfinished").mkdir()
    (tmp_path / "run.unfinished" / "rank5.json.gz").write_bytes(b"left by a kill")
    assert record(request(tmp_path, "pass", force=True)) == run
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {"rank0.json.gz", "run.json", "logs/mine.log"} <= found
    assert not found & {"rank9.json.gz", "logs/rank9.stderr.log", "rank5.json.gz"}
    assert json.loads((run / "run.json").read_bytes())["name"] == "run"
    assert not (tmp_path / "run.unfinished").exists()


def test_an_output_that_cannot_be_made_is_told_before_any_rank_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageProblem, match="cannot write the run folder"):
        record(request(tmp_path, "pass", output=tmp_path / "file" / "run"))


@pytest.mark.parametrize(
    ("layout", "model", "said"),
    [
        (Layout(tp=2), replace(GPT, heads=3, kv_heads=3, hidden=36), "heads 3 is not a multiple of 2"),
        (Layout(tp=2), replace(GPT, hidden=33), "hidden 33"),
        (Layout(tp=2, sp=True), replace(GPT, seq=15), "seq 15"),
        (Layout(tp=2), replace(GPT, vocab=63), "vocab 63"),
        (Layout(tp=4), GPT, "needs 4 ranks, not 2"),
        (Layout(tp=2, pp=2), GPT, "no pp"),
    ],
)
def test_shapes_that_do_not_divide_are_refused(
    tmp_path: Path, layout: Layout, model: ModelShape, said: str
) -> None:
    with pytest.raises(UsageProblem, match=said):
        record(RecordRequest(tmp_path / "run", layout=layout, model=model, nproc=2))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (("missing.py",), "no such script"),
        (("-m", "missing_package.train"), "no module named missing_package"),
    ],
)
def test_a_script_nobody_finds_is_refused(tmp_path: Path, script: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageProblem, match=said):
        record(RecordRequest(tmp_path / "run", "missing", script))
    assert not (tmp_path / "run").exists()


def test_nccl_without_a_gpu_for_each_rank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendProblem, match="nccl needs a GPU for each of 99 ranks"):
        record(request(tmp_path, "pass", backend="nccl", nproc=99))


@pytest.mark.record
def test_a_port_in_use_is_told_as_such(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        nodes = Nodes(1, 0, f"localhost:{taken.getsockname()[1]}")
        with pytest.raises(CommScopeError, match="rendezvous") as raised:
            record(request(tmp_path, "pass", nodes=nodes))
    assert raised.value.exit_code == 2


@pytest.mark.record
def test_what_a_rank_started_ends_with_a_failed_recording(tmp_path: Path) -> None:
    child = tmp_path / "child"
    start = f"import subprocess; open({str(child)!r}, 'w').write(str(subprocess.Popen(['sleep', '300']).pid))"
    with pytest.raises(RecordFailed):
        record(request(tmp_path, f"{start}; sys.exit(7)"))
    state = Path(f"/proc/{child.read_text()}/stat")
    assert not state.exists() or " Z " in state.read_text()  # gone, or only waiting to be reaped
