"""A trace written while the program goes on: it is there after waiting, or the error is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from commscope.errors import BackendProblem
from commscope.record.rank import saving
from commscope.record.rank.saving import save_in_child, save_in_thread

BOTH = pytest.mark.parametrize("save", [save_in_child, save_in_thread])
FULL = BackendProblem("the trace could not be written", where="/run", hint="is the disk full?")


@BOTH
def test_what_was_written_is_there_after_waiting(save: Callable, tmp_path: Path) -> None:
    wait = save(lambda: (tmp_path / "trace").write_text("whole"))
    wait()
    assert (tmp_path / "trace").read_text() == "whole"


@BOTH
def test_a_problem_is_told_to_who_waits(save: Callable) -> None:
    def write() -> None:
        raise FULL

    with pytest.raises(BackendProblem) as raised:
        save(write)()
    assert str(raised.value) == str(FULL)


def test_a_child_that_is_killed_is_told() -> None:
    wait = save_in_child(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(BackendProblem, match="the process that wrote the trace was ended"):
        wait()


def test_a_child_is_gone_though_the_program_waited_for_it(tmp_path: Path) -> None:
    wait = save_in_child((tmp_path / "trace").touch)
    child, _ = os.waitpid(-1, 0)
    wait()
    assert (tmp_path / "trace").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_child_holds_no_socket_of_its_parent(tmp_path: Path) -> None:
    told, tell = os.pipe()
    wait = save_in_child(lambda: (tmp_path / "trace").write_text(str(Path(f"/proc/self/fd/{tell}").exists())))
    wait()
    os.close(told)
    os.close(tell)
    assert (tmp_path / "trace").read_text() == "False"


def test_a_child_that_stands_still_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()

    def write() -> None:
        if os.getpid() != parent:
            time.sleep(600)  # at a lock that nobody will give back
        (tmp_path / "trace").write_text(str(os.getpid()))

    monkeypatch.setattr(saving, "STUCK_S", 0.5)
    save_in_child(write)()
    assert (tmp_path / "trace").read_text() == str(parent)
