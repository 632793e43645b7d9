"""Matching over random programs whose truth is known: nothing false, and all of what was recorded whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commscope.analysis.clocks import solve_clock
from commscope.analysis.matching import match
from commscope.analysis.rows import rows_of
from tests.analysis.matching.worlds import Run, random_world, simulated


def matched(run: Run) -> np.ndarray:
    """By row: the instance that matching proved and the clock allows, -1 elsewhere."""
    rows = rows_of(run.table, {}, range(run.world.ranks) if run.world.posted else ())
    found = match(rows, [tuple(range(run.world.ranks))], run.hosts())
    solved = solve_clock(rows, found.instance, run.hosts())
    refused = np.append(solved.refused, False)[found.instance] & (found.instance >= 0)
    return np.where(refused, -1, found.instance)


def false_pairs(run: Run) -> int:
    """Instances whose rows are not all one collective."""
    told, truth = matched(run), np.array(run.truth)
    return sum(len(np.unique(truth[told == one])) > 1 for one in np.unique(told[told >= 0]))


def share_matched(run: Run) -> float:
    return float((matched(run) >= 0).mean())


@pytest.mark.parametrize("block", range(10))
def test_no_pair_is_false_whatever_is_lost(block: int) -> None:
    wrong = {
        seed: false_pairs(simulated(random_world(seed, lossy=True)))
        for seed in range(20 * block, 20 * block + 20)
    }
    assert {seed: count for seed, count in wrong.items() if count} == {}


@pytest.mark.parametrize("block", range(5))
def test_what_was_recorded_whole_is_matched(block: int) -> None:
    runs = [simulated(random_world(seed, lossy=False)) for seed in range(20 * block, 20 * block + 20)]
    assert [false_pairs(run) for run in runs] == [0] * len(runs)
    assert np.mean([share_matched(run) for run in runs]) >= 0.99


@pytest.mark.parametrize("seed", range(12))
def test_shifting_a_clock_by_seconds_changes_no_match(seed: int) -> None:
    world = random_world(seed, lossy=bool(seed % 2))
    first = matched(simulated(world))
    moved = replace(world, offsets_ns=(*(world.offsets_ns or (0,) * world.ranks)[:-1], 4_700_000_000))
    again = matched(simulated(moved))
    assert np.array_equal(first >= 0, again >= 0)
    pairs = {(a, b) for a, b in zip(first.tolist(), again.tolist(), strict=True) if a >= 0}
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
