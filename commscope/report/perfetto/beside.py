"""What stands beside the ranks: the critical path as a track, and the replay as a process of its own."""

from __future__ import annotations

from commscope.analysis.naming import place_words, spent_words
from commscope.analysis.result import CriticalPath, PathPart
from commscope.report.perfetto.slices import Slice, Track, lanes_of
from commscope.whatif import Replayed

PATH, REPLAY = 1_000_000, 2_000_000  # processes
LANES = 1_000  # threads of a rank in the replay's process


def path_track(path: CriticalPath, origin_ns: int) -> Track:
    """The parts of a path, which tile it."""
    slices = [
        Slice(part.start_ns - origin_ns, part.end_ns - origin_ns, _part_words(part), _part_args(part))
        for part in path.parts
        if part.end_ns > part.start_ns
    ]
    return Track(PATH, 1, "critical path", slices)


def _part_words(part: PathPart) -> str:
    what = f" of {part.collective}" if part.collective else ""
    return f"rank {part.rank}: {part.kind}{what}{place_words(part.phase, part.layer)}"


def _part_args(part: PathPart) -> dict[str, object]:
    told = {"rank": part.rank, "kind": part.kind, "phase": part.phase, "layer": part.layer}
    named = {"instance": part.instance, "by_name_at_least": spent_words(part.spent) or None}
    return {key: value for key, value in (told | named).items() if value is not None}


def replay_tracks(rows: tuple[Replayed, ...], origin_ns: int) -> list[Track]:
    """Collectives as they would be, by rank; those that would overlap on several tracks."""
    tracks = []
    for rank in sorted({one.rank for one in rows}):
        mine = sorted(
            (one for one in rows if one.rank == rank and one.end_ns > one.start_ns),
            key=lambda one: (one.start_ns, one.end_ns),
        )
        lanes = lanes_of([(one.start_ns, one.end_ns) for one in mine])
        for lane in sorted(set(lanes)):
            own = [one for one, where in zip(mine, lanes, strict=True) if where == lane]
            slices = [_collective(one, origin_ns) for one in own]
            name = f"rank {rank}" + (f" ({lane + 1})" if lane else "")
            tracks.append(Track(REPLAY, LANES * rank + lane, name, slices))
    return tracks


def _collective(one: Replayed, origin_ns: int) -> Slice:
    args = {"instance": one.instance} if one.instance is not None else {}
    return Slice(one.start_ns - origin_ns, one.end_ns - origin_ns, one.collective, args)
