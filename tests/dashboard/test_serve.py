"""The server around the app: its port, its address, and what it says when it cannot listen."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commscope_dashboard.serve import exposure_warning, serve

from commscope.errors import BackendProblem
from tests.conftest import CHECKOUT


def test_a_taken_port_is_told_before_any_run_is_read(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BackendProblem, match="in use") as problem:
            serve([tmp_path / "no-such-run"], port=port, open_browser=False)
    assert f"127.0.0.1:{port}" in str(problem.value)
    assert "--port" in str(problem.value)


def test_a_host_that_is_not_of_this_machine_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackendProblem, match="cannot listen"):
        serve([tmp_path], host="192.0.2.1", open_browser=False)


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)])
def test_only_an_address_others_reach_is_warned_about(host: str, warned: bool) -> None:
    assert (exposure_warning(host) is not None) == warned


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_it_with_its_own_word_and_code(number: signal.Signals, code: int, said: str) -> None:
    run = str(CHECKOUT / "traces" / "gpt-tp2")
    command = [sys.executable, "-m", "commscope", "dashboard", run, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("dashboard at" in line for line in process.stderr)  # reads up to that line
        process.send_signal(number)
        assert process.stderr.read().split() == [said]
    assert process.returncode == code
