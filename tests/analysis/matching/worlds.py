"""Random programs of steps over groups of ranks, with the truth: n-to-n, rooted and point-to-point, clocks apart,
rows lost, windows that begin late. Shares nothing with the code under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tests.analysis.tables import EPOCH_NS, table

MS, US = 1_000_000, 1_000
KINDS = ("all_reduce", "all_gather", "reduce_scatter", "broadcast")


@dataclass(frozen=True)
class World:
    """How ranks are recorded."""

    ranks: int
    steps: int = 4
    jitter_ns: int = 0
    offsets_ns: tuple[int, ...] = ()
    drop: float = 0.0  # of rows
    late: tuple[int, ...] = ()  # rows a rank's window misses at its begin
    halves: bool = False  # collectives of two groups beside those of all ranks
    messages: bool = False
    posted: bool = False
    seed: int = 0


@dataclass
class Run:
    """Rows as recorded, each with the collective it truly is."""

    world: World
    rows: list[dict[str, object]] = field(default_factory=list)
    truth: list[int] = field(default_factory=list)

    @property
    def table(self) -> pd.DataFrame:
        """The instance table."""
        return table(self.rows)

    def hosts(self) -> dict[int, str | None]:
        """One host where no clock is off, else each rank its own."""
        same = not any(self.world.offsets_ns)
        return {rank: "node" if same else f"node{rank}" for rank in range(self.world.ranks)}


def random_world(seed: int, *, lossy: bool) -> World:
    """A world of 2 to 8 ranks, with or without lost rows."""
    random = np.random.default_rng(seed)
    ranks = int(random.choice([2, 3, 4, 8]))
    apart = bool(random.integers(2))
    offsets = (
        tuple(int(one) for one in random.integers(-5_000 * MS, 5_000 * MS, ranks)) if apart else (0,) * ranks
    )
    late = tuple(int(one) for one in random.integers(0, 12, ranks)) if lossy else (0,) * ranks
    return World(
        ranks, int(random.integers(3, 6)), int(random.choice([0, US, MS, 3 * MS, 5 * MS])), offsets,
        float(random.choice([0.0, 0.01, 0.05])) if lossy else 0.0, late, ranks >= 4 and bool(random.integers(2)),
        bool(random.integers(2)), bool(random.integers(2)), seed,
    )  # fmt: skip


def simulated(world: World) -> Run:
    """Every rank carries out the same program; what is lost is left out at the end."""
    random = np.random.default_rng(world.seed + 1)
    program = _program(world, random)
    clock = np.zeros(world.ranks, dtype=np.int64)
    found: list[tuple[int, dict[str, object], int]] = []
    for step in range(world.steps):
        for place, (kind, size, members) in enumerate(program):
            number = (step * len(program) + place) * 2
            for rank in members:
                clock[rank] += int(random.integers(50 * US, 2 * MS))
            done = _ran(world, random, (kind, size, members), clock)
            for rank, (start, end, more) in done.items():
                row = {
                    "rank": rank,
                    "collective": kind,
                    "payload_bytes": size,
                    "window": f"step {step}",
                    "stream": "20",
                }
                stamps = {
                    "start_ns": EPOCH_NS + start,
                    "end_ns": EPOCH_NS + end,
                    "issue_ns": EPOCH_NS + start - 10 * US,
                }
                moved = {
                    name: value + (world.offsets_ns or (0,) * world.ranks)[rank]
                    for name, value in stamps.items()
                }
                if kind != "message":
                    named = {"group": f"g{members}", "group_size": len(members), "group_ranks": members}
                    row |= named if world.halves else {}
                found.append((rank, row | moved | more, number))
                clock[rank] = max(int(clock[rank]), end)
    return _recorded(world, found, random)


def _program(world: World, random: np.random.Generator) -> list[tuple[str, int, tuple[int, ...]]]:
    everyone = tuple(range(world.ranks))
    half = world.ranks // 2
    groups = [everyone, everyone[:half], everyone[half:]] if world.halves else [everyone]
    program = []
    for _ in range(int(random.integers(4, 10))):
        kind, size = str(random.choice(KINDS)), int(random.choice([4096, 4096, 8192]))
        chosen = groups[int(random.integers(len(groups)))]
        program.append((kind, size, chosen))
        if chosen != everyone:  # both halves do the same
            program.append((kind, size, groups[3 - groups.index(chosen)]))
    if world.messages:
        pairs = [tuple(sorted(random.choice(world.ranks, 2, replace=False).tolist())) for _ in range(3)]
        program += [("message", int(random.choice([64, 128])), pair) for pair in pairs]
    return program


def _ran(
    world: World, random: np.random.Generator, what: tuple[str, int, tuple[int, ...]], clock: np.ndarray
) -> dict[int, tuple[int, int, dict[str, object]]]:
    kind, size, members = what
    begin = {rank: int(clock[rank]) for rank in members}
    move = 20 * US + size

    def jitter() -> int:
        return int(random.integers(world.jitter_ns + 1))

    if kind == "message":
        source, target = members
        sent = begin[source] + 5 * US  # eager: done before the receive may be there
        taken = (
            begin[target] + 5 * US if world.posted else max(begin[target], begin[source]) + move + jitter()
        )
        return {
            source: (begin[source], sent, {"collective": "send", "peer": target, "is_p2p": True}),
            target: (begin[target], taken, {"collective": "recv", "peer": source, "is_p2p": True}),
        }
    if kind == "broadcast":
        root = members[0]
        ends = {rank: max(begin[rank], begin[root]) + move + jitter() for rank in members}
        ends[root] = begin[root] + 10 * US
        return {rank: (begin[rank], ends[rank], {}) for rank in members}
    end = max(begin.values()) + move
    return {rank: (begin[rank], end + jitter(), {}) for rank in members}


def _recorded(
    world: World, found: Sequence[tuple[int, dict[str, object], int]], random: np.random.Generator
) -> Run:
    run = Run(world)
    seen = [0] * world.ranks
    for rank, row, number in found:
        seen[rank] += 1
        if seen[rank] <= (world.late or (0,) * world.ranks)[rank] or random.random() < world.drop:
            continue
        run.rows.append(row)
        run.truth.append(number)
    return run
