"""Twice the bandwidth, foretold and measured: two ranks that talk over a link whose rate the kernel limits.

The link is a pair of virtual interfaces between two network namespaces; without the right to make one, and without
`ip` and `tc`, this is skipped visibly.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

pytest.importorskip("torch")

from commscope.engine import analyze
from commscope.readers import open_run
from commscope.whatif import Scenario, replay_all
from tests.talking_job import STEPS

pytestmark = pytest.mark.record
JOB = Path(__file__).with_name("talking_job.py")
SLOW, FAST = "40mbit", "80mbit"
HOST = "10.231.77.1"
SIDES = ("a", "b")
UNEVEN = 1.1


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    """Two namespaces with a link between them; gives the start of their names."""
    if not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("no link of limited rate: ip and tc (iproute2) are not installed")
    name = f"cs{os.getpid()}"
    try:
        for side in SIDES:
            run("ip", "netns", "add", name + side)
        run("ip", "link", "add", f"{name}a", "netns", f"{name}a", "type", "veth", "peer", "name", f"{name}b",
            "netns", f"{name}b")  # fmt: skip
        for number, side in enumerate(SIDES, 1):
            inside = ("ip", "-n", name + side)
            run(*inside, "addr", "add", f"{HOST[:-1]}{number}/24", "dev", name + side)
            run(*inside, "link", "set", name + side, "up")
            run(*inside, "link", "set", "lo", "up")
            limit(name, side, SLOW)
    except subprocess.CalledProcessError as problem:
        remove(name)
        pytest.skip(f"no link of limited rate: {problem.stderr.decode(errors='replace').strip()}")
    yield name
    remove(name)


def limit(name: str, side: str, rate: str) -> None:
    run("tc", "-n", name + side, "qdisc", "replace", "dev", name + side, "root", "tbf", "rate", rate,
        "burst", "32kb", "latency", "5s")  # fmt: skip


def remove(name: str) -> None:
    for side in SIDES:
        subprocess.run(["ip", "netns", "del", name + side], check=False, capture_output=True, timeout=60)


def record(name: str, rate: str, folder: Path) -> int:
    """Both ranks over the link at a rate; gives what a step took by the ranks' own clock.

    Skips visibly where steps differ, which do the same: then others had the machine.
    """
    folder.mkdir()
    ranks = []
    for rank, side in enumerate(SIDES):
        limit(name, side, rate)
        command = [sys.executable, str(JOB), str(folder), str(rank), "2", HOST, "29511"]
        ranks.append(
            subprocess.Popen(
                ["ip", "netns", "exec", name + side, *command],
                env=os.environ | {"GLOO_SOCKET_IFNAME": name + side},
            )
        )
    assert [rank.wait(300) for rank in ranks] == [0, 0]
    steps = [json.loads((folder / f"steps{rank}.json").read_text()) for rank in (0, 1)]
    took = [max(both) for both in zip(*steps, strict=True)]
    if max(took) > UNEVEN * min(took):
        pytest.skip(f"other programs took {(max(took) - min(took)) // 1_000_000} ms from a step at {rate}")
    return int(median(took))


def test_twice_the_bandwidth_is_foretold_within_a_tenth(link: str, tmp_path: Path) -> None:
    before, after = record(link, SLOW, tmp_path / "slow"), record(link, FAST, tmp_path / "fast")
    assert after < 0.7 * before  # the rate is what matters
    for folder, factor, measured in (("slow", 2.0, after), ("fast", 0.5, before)):
        analysis = analyze(open_run(tmp_path / folder), jobs=1)
        assert analysis.matching.matched == analysis.matching.instances == 4 * STEPS
        steps = replay_all(analysis, Scenario(bandwidth=factor))[1:]
        assert len(steps) == STEPS
        foretold = median(one.after_ns for one in steps)
        assert foretold == pytest.approx(measured, rel=0.1), (folder, before, after)
