"""The server around the app: its port, its address, and what it says when it cannot listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from commscope_dashboard.serve import exposure_warning, serve

from commscope.errors import BackendProblem


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
