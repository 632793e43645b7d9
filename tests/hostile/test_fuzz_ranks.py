"""Damaged runs of 1 to 3 ranks: all commands, all laws, bounded memory. `benchmarks/fuzz_ranks.py` runs many more."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.hostile.commands import Commands, written
from tests.hostile.laws import check_laws
from tests.hostile.mutations import damaged_run
from tests.hostile.seeds import seed_run


@pytest.mark.slow
def test_damaged_runs_break_no_law_and_no_command() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz_ranks", "--inputs", "300", "--seed", "suite"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert "'analyzed': 2" in done.stdout  # most of the 300 can still be read


def test_the_whole_run_of_the_fuzz_is_analyzed_whole(tmp_path: Path) -> None:
    """Else the fuzz would only see refusals and gaps."""
    whole = Commands(tmp_path).whole
    check_laws(whole)
    assert whole.matching.matched == whole.matching.instances == 6
    assert whole.stalls
    assert whole.critical_paths
    assert whole.missing_ranks == ()


def test_inputs_follow_from_their_seed(tmp_path: Path) -> None:
    made = [damaged_run(random.Random(f"0/{n}")) for n in range(20)]
    assert made == [damaged_run(random.Random(f"0/{n}")) for n in range(20)]
    assert sorted(seed_run("gloo", 3)) == ["rank0.json", "rank1.json", "rank2.json", "run.json"]
    assert sorted(file.name for file in written(tmp_path, made[0]).iterdir()) == sorted(made[0])
