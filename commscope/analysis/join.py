"""Tables of all ranks -> Analysis: matched instances on one clock, waits, stalls, windows, critical paths.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
import pandas as pd

from commscope.analysis.clocks import (
    clock_gaps,
    common_time,
    one_clock,
    readings_ns,
    solve_clock,
    within_one_clock,
)
from commscope.analysis.critical_path import critical_paths
from commscope.analysis.join_gaps import captures_apart, gaps_of, incomplete, merged_gaps, still_missing
from commscope.analysis.joined import Joined
from commscope.analysis.matching import (
    MEMBERS_BY,
    PROOFS,
    Matched,
    match,
    renumbered,
    with_members,
    with_roles,
    with_sizes,
)
from commscope.analysis.naming import late_arrivals, named_causes, records_of, with_names
from commscope.analysis.result import (
    Analysis,
    Clock,
    IdleGap,
    Intervals,
    Matching,
    PhaseSpan,
    RankAnalysis,
    RankBreakdown,
    Window,
)
from commscope.analysis.rows import ABSENT, Rows, rows_of
from commscope.analysis.waits import (
    Completeness,
    WaitRange,
    Waits,
    causes_of,
    charges_of,
    completeness_of,
    counted_once,
    ranged,
    stalls_of,
    waits_of,
    with_waits,
)
from commscope.analysis.windows import windows_of_run
from commscope.errors import IncompleteTrace
from commscope.trace import Gap, Int64, Mask, RankMemory, RunInfo


def join(info: RunInfo, ranks: Sequence[RankAnalysis], gaps: Sequence[Gap] = ()) -> Analysis:
    """All ranks joined. Raises IncompleteTrace where there is no rank at all."""
    if not ranks:
        raise IncompleteTrace("no rank could be analyzed", where=str(info.path))
    ordered = sorted(ranks, key=lambda one: one.rank)
    run = _completed(info, ordered)
    table = pd.concat([one.instances for one in ordered], ignore_index=True)
    joined = _joined(table, ordered, run)
    present = tuple(one.rank for one in ordered)
    missing = tuple(sorted(set(range(run.world_size or 0)) - set(present)))
    complete = completeness_of(joined.common, joined.found.instance, all_ranks=not missing)
    waits = _waits(joined, complete.is_whole)
    instances = with_sizes(_table(table, joined, waits, complete))
    if run.world_size and not missing:
        instances = with_members(instances)
    instances = with_roles(instances, (*run.groups, *(group for one in ordered for group in one.groups)))
    rank_windows = {one.rank: _common_windows(one, joined.clock) for one in ordered}
    windows = windows_of_run(rank_windows, joined.tied)
    on_path = frozenset(joined.followed)
    followed = [one for one in ordered if one.rank in on_path]
    waited = counted_once(instances, rank_windows)
    charges = charges_of(ordered, waited, joined.clock)
    records = records_of(ordered, joined.clock)
    by_rank = dict(list(instances.groupby("rank")))
    return Analysis(
        run=run,
        ranks=present,
        missing_ranks=missing,
        gaps=merged_gaps(
            (
                *gaps,
                *(
                    gap
                    for one in ordered
                    for gap in still_missing(one.gaps, by_rank.get(one.rank, instances[:0]))
                ),
                *captures_apart(ordered),
                *gaps_of(joined, present, missing),
                *incomplete(instances),
                *clock_gaps(joined.clock, instances, {one.rank: one.host for one in ordered}),
            )
        ),
        windows=windows,
        rank_windows=rank_windows,
        breakdown=_breakdown(ordered, joined, waits),
        instances=instances,
        matching=joined.matching,
        clock=joined.clock,
        stalls=stalls_of(waited, causes_of(charges), named_causes(charges, records)),
        critical_paths=with_names(critical_paths(followed, instances, joined.clock, windows), records),
        memory=_memory(run, ordered),
        skeletons=tuple(one.skeleton for one in followed if one.skeleton is not None),
        coverage={one.rank: one.coverage for one in ordered},
        compute={one.rank: _common_compute(one, joined.clock) for one in ordered},
        late_arrivals=late_arrivals(charges, instances, records),
        phases={one.rank: _common_phases(one, joined.clock) for one in ordered},
        idle_gaps=tuple(gap for one in ordered for gap in _common_gaps(one, joined.clock)),
        kernels=pd.concat([one.kernels.assign(rank=one.rank) for one in ordered], ignore_index=True),
    )


def _common_compute(one: RankAnalysis, clock: Clock | None) -> Intervals:
    start_ns, end_ns = one.compute.start_ns, one.compute.end_ns
    return Intervals(common_time(clock, one.rank, start_ns), common_time(clock, one.rank, end_ns))


def _common_gaps(one: RankAnalysis, clock: Clock | None) -> tuple[IdleGap, ...]:
    gaps = one.activities.idle_gaps if one.activities is not None else ()
    times = np.array([(gap.start_ns, gap.end_ns) for gap in gaps], np.int64).reshape(-1, 2)
    moved = common_time(clock, one.rank, times).tolist()
    return tuple(
        replace(gap, start_ns=start, end_ns=end) for gap, (start, end) in zip(gaps, moved, strict=True)
    )


def _common_phases(one: RankAnalysis, clock: Clock | None) -> tuple[PhaseSpan, ...]:
    spans = one.activities.phases if one.activities is not None else ()
    times = np.array([(start, end) for _, start, end in spans], np.int64).reshape(-1, 2)
    moved = common_time(clock, one.rank, times).tolist()
    return tuple((phase, start, end) for (phase, *_), (start, end) in zip(spans, moved, strict=True))


def _joined(table: pd.DataFrame, ranks: Sequence[RankAnalysis], run: RunInfo) -> Joined:
    posting = [one.rank for one in ranks if one.backend == "gloo"]
    rows = rows_of(table, {one.rank: (*one.groups, *run.groups) for one in ranks}, posting)
    named = {
        (group.name, tuple(sorted(group.ranks))) for one in ranks for group in (*one.groups, *run.groups)
    }
    sets = sorted(members for _, members in named)
    hosts = {one.rank: one.host for one in ranks}
    found = match(rows, sets, hosts)
    solved = solve_clock(rows, found.instance, hosts, readings_ns(run.clocks))
    late = np.append(solved.refused, False)[found.instance] & (found.instance >= 0)
    common = _on_common_clock(rows, solved.clock)
    kept = renumbered(common, np.where(late, ABSENT, found.instance))
    return Joined(
        rows=rows,
        common=common,
        found=replace(found, instance=kept),
        matching=_counted(found, kept, found.refused | late),
        clock=solved.clock,
        contradicted=bool(len(solved.refused)) and bool(solved.refused.all()),
        clock_of=one_clock([one.rank for one in ranks], solved.component, hosts),
        first=min(ranks, key=lambda one: (one.windows[0].span_ns <= 0, one.rank)).rank,
    )


def _waits(joined: Joined, is_whole: Mask) -> Waits:
    """Waits of matched rows, and the range of those that every way of matching agrees on."""
    everybody = np.ones(len(joined.common), dtype=np.bool_)
    comparable, *ways = (
        within_one_clock(joined.rows, one, joined.clock_of)
        for one in (joined.found.instance, *joined.found.ways)
    )
    return ranged(
        waits_of(joined.common, comparable, is_whole, clocked=True),
        [waits_of(joined.common, way, everybody, clocked=True) for way in ways],
    )


def _on_common_clock(rows: Rows, clock: Clock | None) -> Rows:
    starts, ends = rows.start_ns.copy(), rows.end_ns.copy()
    for rank in np.unique(rows.rank).tolist():
        here = rows.rank == rank
        starts[here] = common_time(clock, rank, starts[here])
        ends[here] = common_time(clock, rank, ends[here])
    return replace(rows, start_ns=starts, end_ns=ends)


def _counted(found: Matched, instance: Int64, refused: np.ndarray) -> Matching:
    matched = instance >= 0
    total = len(np.unique(found.number))
    proved = len(np.unique(instance[matched]))
    thrown = len(np.unique(found.number[refused & ~matched]))
    by_proof, by_members = (
        _counts(codes, instance, words)
        for codes, words in ((found.proof, PROOFS), (found.members_by, MEMBERS_BY))
    )
    return Matching(
        instances=total,
        matched=proved,
        unmatched=total - proved - thrown,
        refused=thrown,
        method=next(iter(by_proof)) if len(by_proof) == 1 else "mixed" if by_proof else "none",
        by_proof=by_proof,
        by_members=by_members,
    )


def _counts(codes: Int64, instance: Int64, words: Sequence[StrEnum]) -> dict[str, int]:
    """Instances by what their rows' codes stand for."""
    matched = np.flatnonzero(instance >= 0)
    once = matched[np.unique(instance[matched], return_index=True)[1]]
    counts = np.bincount(codes[once], minlength=len(words)).tolist()
    return {str(word): count for word, count in zip(words, counts, strict=True) if count}


def _table(table: pd.DataFrame, joined: Joined, waits: Waits, complete: Completeness) -> pd.DataFrame:
    """The instance table on the common clock with what the match tells; absent where unmatched."""
    absent = joined.found.instance < 0

    def column(values: Int64) -> pd.Series:
        return _told(np.where(absent, ABSENT, values), table.index)

    issue = table["issue_ns"] + (joined.common.start_ns - joined.rows.start_ns)
    return table.assign(
        start_ns=joined.common.start_ns,
        end_ns=joined.common.end_ns,
        issue_ns=issue.astype("Int64"),
        instance=column(joined.found.instance),
        lateness_ns=column(waits.lateness_ns),
        wait_ns=column(waits.wait_ns),
        transfer_ns=column(waits.transfer_ns),
        culprit=column(waits.culprit),
        transfer_free_ns=column(waits.transfer_free_ns),
        members=_told(complete.members, table.index),
        members_present=_told(complete.present, table.index),
        least_wait_ns=_told(waits.least_wait_ns, table.index),
        most_wait_ns=_told(waits.most_wait_ns, table.index),
        proof=_words(np.where(absent, ABSENT, joined.found.proof), PROOFS, table.index),
        members_by=_words(np.where(absent, ABSENT, joined.found.members_by), MEMBERS_BY, table.index),
    )


def _words(codes: Int64, words: Sequence[StrEnum], index: pd.Index) -> pd.Series:
    """What codes stand for, null where the code is negative."""
    told = [None if code < 0 else str(words[code]) for code in codes.tolist()]
    return pd.Series(told, index=index, dtype="str")


def _told(values: Int64, index: pd.Index) -> pd.Series:
    """A column, null where the value is absent."""
    return pd.Series(pd.array(values, dtype="Int64"), index=index).mask(values < 0)


def _breakdown(ranks: Sequence[RankAnalysis], joined: Joined, waits: Waits) -> tuple[RankBreakdown, ...]:
    rows: list[RankBreakdown] = []
    for one in ranks:
        here = joined.rows.rank == one.rank
        waited = WaitRange(waits.least_wait_ns[here], waits.most_wait_ns[here])
        rows.extend(with_waits(one, waited))
    return tuple(rows)


def _common_windows(rank: RankAnalysis, clock: Clock | None) -> tuple[Window, ...]:
    stamps = np.array([(one.start_ns, one.end_ns) for one in rank.windows], dtype=np.int64).reshape(-1, 2)
    moved = common_time(clock, rank.rank, stamps)
    return tuple(
        replace(one, start_ns=int(start), end_ns=int(end))
        for one, (start, end) in zip(rank.windows, moved, strict=True)
    )


def _completed(info: RunInfo, ranks: Sequence[RankAnalysis]) -> RunInfo:
    """Facts the run's own file does not state, as the ranks tell them."""
    sizes = [one.world_size for one in ranks if one.world_size is not None]
    backends = [one.backend for one in ranks if one.backend is not None]
    groups = {(group.name, group.ranks): group for one in ranks for group in one.groups}
    devices = tuple(dict.fromkeys(device for one in ranks for device in one.devices))
    return replace(
        info,
        world_size=info.world_size if info.world_size is not None else max(sizes, default=None),
        backend=info.backend or (backends[0] if backends else None),
        groups=info.groups or tuple(groups.values()),
        devices=info.devices or devices,
        versions=info.versions or ranks[0].versions,
    )


def _memory(info: RunInfo, ranks: Sequence[RankAnalysis]) -> tuple[RankMemory, ...]:
    """What the recorder measured, and what the traces show beside it."""
    told = {(row.rank, row.kind): row for row in info.memory}
    for one in ranks:
        if one.memory is not None:
            told.setdefault((one.rank, one.memory.kind), one.memory)
    return tuple(told[key] for key in sorted(told))
