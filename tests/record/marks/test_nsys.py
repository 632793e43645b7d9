"""Recording under nsys, with a stand-in that runs what it is given: the real one needs no test of ours."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.errors import BackendProblem
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.record.marks.nsys import nsys_command
from commscope.trace import Layout, ModelShape

GPT = ModelShape("gpt", 1, 16, 32, 2, 2, vocab=16, seq=4, batch=1)
STAND_IN = """#!/bin/sh
while [ "${1#--output=}" = "$1" ]; do shift; done
out=$(echo "${1#--output=}" | sed "s/%q{RANK}/$RANK/")
shift
"$@" || exit $?
touch "$out.nsys-rep" "$out.sqlite"
"""


def request(folder: Path) -> RecordRequest:
    return RecordRequest(
        folder / "run", layout=Layout(tp=2), model=GPT, nproc=2, steps=2, nsys=True, backend="gloo"
    )


def test_without_nsys_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendProblem, match="nsys, which is not on PATH"):
        record(request(tmp_path))
    assert not (tmp_path / "run").exists()


@pytest.mark.record
def test_each_rank_runs_under_nsys_and_leaves_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nsys").write_text(STAND_IN)
    (tools / "nsys").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    run = record(request(tmp_path))
    assert {path.name for path in run.glob("*.sqlite")} == {"rank0.sqlite", "rank1.sqlite"}
    manifest = msgspec.json.decode((run / "run.json").read_bytes())
    assert manifest["complete"] is True
    assert manifest["ledger"]


def test_on_gpus_only_the_profiled_steps_are_captured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nsys").write_text("")
    (tmp_path / "nsys").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    on_gpu, on_cpu = (nsys_command(request(tmp_path), has_gpu=has_gpu) for has_gpu in (True, False))
    assert {"--capture-range=cudaProfilerApi", "--trace=cuda,nvtx,osrt", "--export=sqlite"} <= set(on_gpu)
    assert "--trace=nvtx,osrt" in on_cpu
    assert not any(option.startswith("--capture-range") for option in on_cpu)
