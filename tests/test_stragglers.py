"""A run without stragglers: the simulator runs it without them, the replay tells it from the record with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.trace import RunInfo
from commscope.whatif import Scenario, replay
from tests.simulate import Comm, Compute, Host, Instruction, Simulation, Sync, Wait, World, simulate

LATE = 1
Programs = dict[int, list[Instruction]]


def programs(ranks: int, *, slower: float = 1.0, delay_ns: int = 0, seed: int = 0) -> Programs:
    """Twelve collectives with work between that scatters by a quarter; rank 1 is slower, or late thrice."""
    random = np.random.default_rng(seed)
    sizes = [int(random.choice([20_000, 60_000, 150_000])) for _ in range(12)]
    made: Programs = {}
    for rank in range(ranks):
        made[rank] = []
        for k, size in enumerate(sizes):
            pace = slower if rank == LATE else 1.0
            first, second = (int(pace * int(size * x)) for x in random.uniform(0.75, 1.25, 2))
            made[rank] += [Compute(first), Host(int(30_000 * random.uniform(0.75, 1.25)))]
            if rank == LATE and delay_ns and k % 4 == 2:
                made[rank].append(Host(delay_ns))
            kind = ("all_reduce", "all_gather")[k % 2]
            made[rank] += [Compute(second), Comm(kind, 4096 * (1 + k % 3), wait=k % 3 != 1)]
        made[rank] += [Wait(), Compute(5_000), Sync()]
    return made


def without_stragglers(simulation: Simulation) -> int:
    analysis = join(RunInfo("run", Path("run")), [analyze_rank(trace) for trace in simulation.traces()])
    return replay(analysis, Scenario(no_stragglers=True), "capture").after_ns


@pytest.mark.parametrize("style", ["cuda", "gloo"])
@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_a_rank_that_is_slower_throughout_is_made_as_quick_as_the_others(ranks: int, style: str) -> None:
    clean = simulate(World(style=style), programs(ranks)).makespan_ns
    before = simulate(World(style=style), programs(ranks, slower=2.0))
    assert before.makespan_ns > 1.4 * clean
    assert without_stragglers(before) == pytest.approx(clean, rel=0.1)


@pytest.mark.parametrize("style", ["cuda", "gloo"])
@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_single_delays_of_one_rank_are_taken_out(ranks: int, style: str) -> None:
    clean = simulate(World(style=style), programs(ranks)).makespan_ns
    before = simulate(World(style=style), programs(ranks, delay_ns=800_000))
    assert before.makespan_ns > 1.2 * clean
    assert without_stragglers(before) == pytest.approx(clean, rel=0.1)


@pytest.mark.parametrize("ranks", [2, 8])
def test_scatter_is_no_straggling(ranks: int) -> None:
    clean = simulate(World(style="gloo"), programs(ranks))
    assert without_stragglers(clean) == pytest.approx(clean.makespan_ns, rel=0.05)
