"""A small fixed budget of the fuzz run: see tests/readers/mutator.py for the long one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from commscope.readers.files.blocks import GZIP_MAGIC
from tests.readers.mutator import mutate, outcome, outcome_in_memory, seed_text


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_crashes_the_reader(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "rank0.json"
    seen = set()
    for number in range(200):
        text = mutate(seed_text(), chance)
        if number % 6 == 0 or text.startswith(GZIP_MAGIC):
            path.write_bytes(text)
            seen.add(outcome(path))
        else:
            seen.add(outcome_in_memory(text, chance))
    assert seen == {"read", "gap", "refused"}
