"""The tracks of recorded ranks: phases, compute, and collectives as wait and transfer, with arrows.

Where collectives overlap on a rank they stand on several tracks. An arrow leads from the rank that came last
to every rank that waited for it, where the transfer begins.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from commscope.analysis.naming import place_words
from commscope.analysis.result import Analysis
from commscope.report.perfetto.slices import Arrow, Slice, Track, lanes_of

PHASE, COMPUTE, COLLECTIVES = 1, 2, 10  # threads of a rank's process; collectives take as many as they need
Row = Mapping[Hashable, Any]
_ARGS = (
    "instance",
    "collective",
    "phase",
    "layer",
    "role",
    "group",
    "payload_bytes",
    "wait_ns",
    "transfer_ns",
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A collective of a rank and the track it stands on."""

    row: Row
    thread: int
    turn_ns: int  # where its wait ends and its transfer begins; its start where that is not told


def rank_tracks(analysis: Analysis, origin_ns: int) -> tuple[list[Track], list[Arrow]]:
    """All tracks of all ranks, and the arrows."""
    tracks: list[Track] = []
    placed: list[Placed] = []
    for rank in analysis.ranks:
        mine = _placed(analysis, rank)
        placed += mine
        tracks.append(Track(rank, PHASE, "phase", _phases(analysis, rank, origin_ns)))
        tracks.append(Track(rank, COMPUTE, "compute", _compute(analysis, rank, origin_ns)))
        for thread in sorted({one.thread for one in mine}):
            slices = [part for one in mine if one.thread == thread for part in _parts(one, origin_ns)]
            number = thread - COLLECTIVES
            name = "wait and transfer" + (f" {number + 1}" if number else "")
            tracks.append(Track(rank, thread, name, slices))
    return tracks, list(_arrows(placed, origin_ns))


def _phases(analysis: Analysis, rank: int, origin_ns: int) -> list[Slice]:
    spans = analysis.phases.get(rank, ())
    return [Slice(start - origin_ns, end - origin_ns, name) for name, start, end in spans]


def _compute(analysis: Analysis, rank: int, origin_ns: int) -> list[Slice]:
    busy = analysis.compute.get(rank)
    if busy is None:
        return []
    spans = zip((busy.start_ns - origin_ns).tolist(), (busy.end_ns - origin_ns).tolist(), strict=True)
    return [Slice(start, end, "compute") for start, end in spans]


def _placed(analysis: Analysis, rank: int) -> list[Placed]:
    table = analysis.instances
    table = table[(table["rank"] == rank) & (table["end_ns"] > table["start_ns"])]
    table = table.sort_values(["start_ns", "end_ns"], kind="stable").astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    lanes = lanes_of([(row["start_ns"], row["end_ns"]) for row in rows])
    return [
        Placed(row, COLLECTIVES + lane, int(row["start_ns"] + (row["wait_ns"] or 0)))
        for row, lane in zip(rows, lanes, strict=True)
    ]


def _parts(one: Placed, origin_ns: int) -> Iterable[Slice]:
    row = one.row
    start, turn, end = (int(time) - origin_ns for time in (row["start_ns"], one.turn_ns, row["end_ns"]))
    args = {key: row[key] for key in _ARGS if row[key] is not None}
    words = f"{row['collective']}{place_words(row['phase'], row['layer'])}"
    if row["wait_ns"] is None:
        yield Slice(start, end, f"{words}, wait not told", args | {"part": "untold"})
        return
    if turn > start:
        yield Slice(start, turn, f"wait: {words}", args | {"part": "wait", "waited_for": row["culprit"]})
    if end > turn:
        yield Slice(turn, end, f"transfer: {words}", args | {"part": "transfer"})


def _arrows(placed: Iterable[Placed], origin_ns: int) -> Iterable[Arrow]:
    told = [one for one in placed if one.row["instance"] is not None and one.row["wait_ns"] is not None]
    by_rank = {(one.row["instance"], one.row["rank"]): one for one in told}
    number = 0
    for one in told:
        culprit = by_rank.get((one.row["instance"], one.row["culprit"]))
        ends = one.row["end_ns"]
        if culprit is None or not one.row["wait_ns"] or one.turn_ns >= ends:
            continue
        if culprit.turn_ns >= culprit.row["end_ns"]:
            continue
        number += 1
        yield Arrow(
            number,
            str(one.row["collective"]),
            (culprit.row["rank"], culprit.thread, culprit.turn_ns - origin_ns),
            (one.row["rank"], one.thread, one.turn_ns - origin_ns),
        )
