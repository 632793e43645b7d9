"""Instance tables made by a little simulator that keeps the truth: who takes part in what, on skewed clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from commscope.analysis.result import Intervals, RankAnalysis, RankBreakdown, Window
from commscope.schema import INSTANCE_COLUMNS
from commscope.trace import ProcessGroup

US = 1_000
EPOCH_NS = 1_700_000_000_000_000_000


def table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows of an instance table; every column not given is absent (kinds default to an all_reduce of 4 KiB)."""
    defaults: dict[str, object] = dict.fromkeys(INSTANCE_COLUMNS)
    defaults |= {"collective": "all_reduce", "window": "capture", "is_p2p": False, "dtype": "float32"}
    defaults |= {"payload_bytes": 4096, "stream": "20", "name": "", "evidence": "name", "index": 0}
    full = [defaults | dict(row) for row in rows]
    columns = {
        name: pd.Series([row[name] for row in full], dtype=object if dtype in {"str", "object"} else dtype)
        for name, dtype in INSTANCE_COLUMNS.items()
    }
    return pd.DataFrame(columns)


def analyses(
    made: pd.DataFrame,
    *,
    hosts: Mapping[int, str] | None = None,
    groups: Mapping[str, tuple[int, ...]] | None = None,
    world_size: int | None = None,
    compute: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    backend: str = "nccl",
) -> list[RankAnalysis]:
    """One RankAnalysis a rank of a table; all its communication is exposed, compute is as given (ns from the epoch)."""
    named = [ProcessGroup(name, "", ranks) for name, ranks in (groups or {}).items()]
    result = []
    for rank, part in made.groupby("rank"):
        own = part.reset_index(drop=True)
        spans = sorted((compute or {}).get(int(rank), ()))
        busy = Intervals(*(np.array([EPOCH_NS + span[n] for span in spans], dtype=np.int64) for n in (0, 1)))
        first = min([int(own["start_ns"].min()), *busy.start_ns.tolist()])
        window = Window("capture", first, int(own["end_ns"].max()))
        exposed = Intervals(own["start_ns"].to_numpy(), own["end_ns"].to_numpy())
        length = int((exposed.end_ns - exposed.start_ns).sum())
        result.append(
            RankAnalysis(
                rank=int(rank),
                host=(hosts or {}).get(int(rank)),
                backend=backend,
                world_size=world_size,
                source="kineto",
                groups=tuple(group for group in named if rank in group.ranks),
                windows=(window,),
                breakdown=(RankBreakdown(int(rank), "capture", window.span_ns, 0, length, 0, length, 0, 0),),
                instances=own,
                exposed=exposed,
                compute=busy,
                skeleton=None,
                memory=None,
                versions={},
                devices=(),
                gaps=(),
            )
        )
    return result


@dataclass(frozen=True)
class World:
    """A program of collectives over all ranks, and how its recording differs from the truth."""

    ranks: int = 2
    count: int = 40
    kinds: tuple[tuple[str, int], ...] = (
        ("all_reduce", 4096),
        ("all_gather", 8192),
        ("reduce_scatter", 8192),
    )
    periodic: bool = False  # kinds in turn instead of at random
    gap_us: tuple[float, float] = (50, 800)
    regular: bool = False  # the same gap every time
    noise_us: float = 30  # a rank's own compute differs by that
    transfer_us: tuple[float, float] = (15, 200)
    jitter_us: float = 2
    offsets_us: Mapping[int, float] = field(default_factory=dict)
    drift_ppm: Mapping[int, float] = field(default_factory=dict)
    first: Mapping[int, int] = field(default_factory=dict)  # window starts at that collective
    last: Mapping[int, int] = field(default_factory=dict)
    dropped: frozenset[tuple[int, int]] = frozenset()  # (rank, collective)
    facts: bool = False
    seed: int = 0


def simulate(world: World) -> tuple[pd.DataFrame, np.ndarray]:
    """The recorded table and, by row, the collective it truly is."""
    random = np.random.default_rng(world.seed)
    now = np.zeros(world.ranks)
    layer_gap = random.uniform(*world.gap_us)
    rows, truth = [], []
    for k in range(world.count):
        which = k % len(world.kinds) if world.periodic else random.integers(len(world.kinds))
        kind, payload = world.kinds[which]
        gap = layer_gap if world.regular else random.uniform(*world.gap_us)
        start = now + gap + np.abs(random.normal(0, world.noise_us, world.ranks))
        transfer = world.transfer_us[0] + (world.transfer_us[1] - world.transfer_us[0]) * which / len(
            world.kinds
        )
        now = start.max() + transfer + np.abs(random.normal(0, world.jitter_us, world.ranks))
        for rank in range(world.ranks):
            if (
                k < world.first.get(rank, 0)
                or k > world.last.get(rank, world.count)
                or (rank, k) in world.dropped
            ):
                continue
            rows.append(
                {
                    "rank": rank,
                    "start_ns": _stamp(world, rank, start[rank]),
                    "end_ns": _stamp(world, rank, now[rank]),
                    "collective": kind,
                    "payload_bytes": payload,
                    "group": "tp" if world.facts else None,
                    "group_size": world.ranks if world.facts else None,
                    "seq": k + 1 if world.facts else None,
                }
            )
            truth.append(k)
    by_rank = sorted(range(len(rows)), key=lambda n: rows[n]["rank"])
    rows, truth = [rows[n] for n in by_rank], [truth[n] for n in by_rank]
    made = table(rows)
    made["index"] = made.groupby("rank").cumcount()
    return made, np.array(truth)


def _stamp(world: World, rank: int, time_us: float) -> int:
    skewed = time_us * (1 + 1e-6 * world.drift_ppm.get(rank, 0.0)) + world.offsets_us.get(rank, 0.0)
    return round(skewed * US) + EPOCH_NS
