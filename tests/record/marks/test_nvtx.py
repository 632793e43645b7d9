"""NVTX ranges as a tool sees them: captured for real, by a library built here and injected into a recorded step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("nvtx")

PROGRAM = """
from commscope.record.marks.ledger import Ledger, Marks
from commscope.record.marks.ranges import CollectiveFacts, open_timelines
marks = Marks(open_timelines(), Ledger())
with marks.phase("forward"), marks.layer(7):
    with marks.collective(CollectiveFacts("reduce_scatter", "sp", "tp", 2, "float32", elements=1000, seq=0)):
        pass
"""


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvtx")
    library, log = folder / "capture.so", folder / "log"
    source = Path(__file__).with_name("nvtx_capture.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    environment = {**os.environ, "NVTX_INJECTION64_PATH": str(library), "COMMSCOPE_NVTX_LOG": str(log)}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment)
    return [line.split("\t") for line in log.read_text(encoding="utf-8").splitlines()]


def test_ranges_nest_in_our_domain(captured: list[list[str]]) -> None:
    ranges = [row for row in captured if row[0] in ("push", "pop")]
    assert {row[1] for row in ranges} == {"commscope"}
    assert [(row[0], *row[3:4]) for row in ranges] == [
        ("push", "commscope:phase:forward"),
        ("push", "commscope:layer:7"),
        ("push", "commscope:collective:reduce_scatter"),
        ("pop",),
        ("pop",),
        ("pop",),
    ]


def test_the_payload_of_a_collective_is_its_size_in_bytes(captured: list[list[str]]) -> None:
    payloads = {row[3]: int(row[5]) for row in captured if row[0] == "push"}
    assert payloads["commscope:collective:reduce_scatter"] == 4000
    assert payloads["commscope:layer:7"] == 7


def test_each_kind_of_range_has_a_category_of_its_own(captured: list[list[str]]) -> None:
    names = {row[2]: row[3] for row in captured if row[0] == "category"}
    found = [names[row[2]] for row in captured if row[0] == "push"]
    assert found == ["phase", "layer", "collective"]
