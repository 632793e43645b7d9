"""Two groups on each rank that no record names: their threads, and who ends together, tell them apart."""

from __future__ import annotations

import numpy as np
import pytest

from commscope.analysis.matching import match
from commscope.analysis.rows import rows_of
from tests.analysis.tables import EPOCH_NS, US, table

SETS = ((0, 1), (2, 3), (0, 2), (1, 3), (0, 1, 2, 3))
COLUMNS, ROWS = ((0, 1), (2, 3)), ((0, 2), (1, 3))


def mesh(seed: int, *, steps: int = 4, same_size: bool = True) -> tuple[list[dict[str, object]], list[int]]:
    """A mesh of 2 x 2 whose ranks reduce over their column, then their row, twice a step; each communicator
    has two threads that take turns as they like. Gives the rows, sorted by rank, and the truth of each.
    """
    random = np.random.default_rng(seed)
    now = np.zeros(4)
    rows: list[dict[str, object]] = []
    truth = []
    for step in range(steps):
        for n in range(4):
            for group, members in enumerate((COLUMNS, ROWS)[n % 2]):
                at = list(members)
                start = now[at] + random.uniform(200, 3000, 2)
                now[at] = start.max() + 300 + random.uniform(0, 100, 2)
                for k, rank in enumerate(members):
                    rows.append(
                        {
                            "rank": rank,
                            "start_ns": EPOCH_NS + round(start[k] * US),
                            "end_ns": EPOCH_NS + round(now[rank] * US),
                            "issue_ns": EPOCH_NS + round(start[k] * US) - 5 * US,
                            "payload_bytes": 4096 if same_size else 4096 * (1 + n % 2),
                            "window": f"step {step}",
                            "stream": f"{'column' if n % 2 == 0 else 'row'} {random.integers(2)}",
                        }
                    )
                    truth.append(100 * step + 10 * n + group)
    order = sorted(range(len(rows)), key=lambda one: rows[one]["rank"])  # type: ignore[arg-type,return-value]
    return [rows[one] for one in order], [truth[one] for one in order]


@pytest.mark.parametrize("same_size", [True, False])
def test_groups_of_a_mesh_are_told_apart_by_their_threads_and_ends(same_size: bool) -> None:
    matched = possible = 0
    for seed in range(30):
        made, truth = mesh(seed, same_size=same_size)
        found = match(rows_of(table(made), {}), SETS, dict.fromkeys(range(4), "node0"))
        for one in np.unique(found.instance[found.instance >= 0]):
            told = [truth[row] for row in np.flatnonzero(found.instance == one)]
            assert len(told) == 2, seed
            assert len(set(told)) == 1, seed
        matched += int(np.count_nonzero(found.instance >= 0))
        possible += len(truth)
    assert matched >= 0.9 * possible


def test_threads_whose_clocks_nothing_ties_prove_no_group() -> None:
    made, truth = mesh(3)
    hosts: dict[int, str | None] = {rank: f"node{rank}" for rank in range(4)}
    found = match(rows_of(table(made), {}), SETS, hosts)
    for one in np.unique(found.instance[found.instance >= 0]):
        assert len({truth[row] for row in np.flatnonzero(found.instance == one)}) == 1


@pytest.mark.parametrize("lost", [1, 4])
def test_rows_that_were_lost_make_no_false_pair_of_a_mesh(lost: int) -> None:
    for seed in range(15):
        made, truth = mesh(seed)
        gone = set(np.random.default_rng(seed).choice(len(made), lost, replace=False).tolist())
        kept = [n for n in range(len(made)) if n not in gone]
        found = match(rows_of(table([made[n] for n in kept]), {}), SETS, dict.fromkeys(range(4), "node0"))
        for one in np.unique(found.instance[found.instance >= 0]):
            assert len({truth[kept[row]] for row in np.flatnonzero(found.instance == one)}) == 1, seed


def test_a_window_that_begins_a_step_later_leaves_the_other_steps_of_a_mesh_matched() -> None:
    matched = 0
    for seed in range(10):
        made, truth = mesh(seed)
        kept = [n for n, one in enumerate(made) if (one["window"], one["rank"]) != ("step 0", seed % 4)]
        found = match(rows_of(table([made[n] for n in kept]), {}), SETS, dict.fromkeys(range(4), "node0"))
        for one in np.unique(found.instance[found.instance >= 0]):
            assert len({truth[kept[row]] for row in np.flatnonzero(found.instance == one)}) == 1, seed
        matched += int(np.count_nonzero(found.instance >= 0))
    assert matched >= 0.7 * 10 * 48  # 48 rows a seed lie in the other steps
