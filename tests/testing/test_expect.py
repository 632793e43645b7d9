"""`commscope.expect` in two real processes, and against the closed form of a layout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

pytest.importorskip("torch")

CONFTEST = """
import os
import pytest
import torch.distributed as dist

pytest_plugins = ["commscope.testing.plugin"] if not os.environ.get("INSTALLED") else []

@pytest.fixture(scope="session", autouse=True)
def group():
    dist.init_process_group("gloo", init_method="file://" + os.environ["STORE"], rank=int(os.environ["RANK"]), world_size=2)
    yield
    dist.destroy_process_group()
"""


@pytest.mark.record
def test_unit_tests_of_training_code(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text((CHECKOUT / "tests" / "testing" / "unit_tests.py").read_text())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:commscope",
        str(tmp_path),
    ]
    known = {**os.environ, "STORE": str(tmp_path / "store"), "PYTHONPATH": os.pathsep.join(sys.path)}
    ranks = [
        subprocess.Popen(
            command, cwd=tmp_path, env={**known, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    said = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)
    assert all("8 passed" in text for text in said), said
