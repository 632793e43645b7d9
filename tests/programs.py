"""Random programs for the simulator: every rank issues the same collectives, with work of its own in between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.simulate import Comm, Compute, Host, Instruction, Step, Sync, Wait

SIZES = (4096, 12_288, 61_440, 245_760)
KINDS = ("all_reduce", "all_gather", "reduce_scatter")


@dataclass(frozen=True)
class Recipe:
    """What random programs are like."""

    ranks: int = 3
    collectives: int = 8
    overlapped: bool = True  # some collectives run beside what follows
    straggler: int | None = None  # a rank whose work takes twice as long
    sync: bool = True  # now and then the host waits for the device
    seed: int = 0


def random_programs(recipe: Recipe) -> dict[int, list[Instruction]]:
    """Programs that issue the same collectives on every rank, with work of their own in between."""
    random = np.random.default_rng(recipe.seed)
    shared = [
        (str(random.choice(KINDS)), int(random.choice(SIZES)), bool(random.random() < 0.7), random.random())
        for _ in range(recipe.collectives)
    ]
    programs: dict[int, list[Instruction]] = {}
    for rank in range(recipe.ranks):
        slower = 2 if rank == recipe.straggler else 1
        program: list[Instruction] = [Step(0)]
        for k, (kind, size, wait, dice) in enumerate(shared):
            if k == recipe.collectives // 2:
                program.append(Step(1))
            program += [
                Compute(slower * int(random.integers(1_000, 60_000))) for _ in range(random.integers(1, 4))
            ]
            if dice < 0.3 and (wait or not recipe.overlapped):
                program += [Wait(), Host(slower * int(random.integers(1_000, 90_000)))]
            if dice > 0.8 and recipe.sync:
                program.append(Sync())
            program.append(Comm(kind, size, wait=wait or not recipe.overlapped))
        programs[rank] = [*program, Wait(), Compute(5_000), Sync()]
    return programs
