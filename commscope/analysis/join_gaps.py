"""What the join could not say, and why: as gaps for every screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from commscope.analysis.joined import Joined
from commscope.analysis.result import RankAnalysis
from commscope.trace import Gap
from commscope.units import format_ranks


def gaps_of(joined: Joined, present: tuple[int, ...], missing: tuple[int, ...]) -> tuple[Gap, ...]:
    """Gaps of matching and clocks."""
    gaps = []
    matching = joined.matching
    if missing:
        gaps.append(
            Gap(
                "missing_ranks",
                f"{format_ranks(missing)} not in the run",
                missing,
                cost="waits for them are not seen",
            )
        )
    if len(present) == 1:
        gaps.append(
            Gap(
                "one_rank",
                "only one rank was recorded, so nothing can be matched",
                present,
                cost="wait cannot be told from transfer",
                hint="record every rank of the group",
            )
        )
    elif matching.unmatched:
        message = (
            f"{matching.unmatched} of {matching.instances} collectives could not be proved on every member"
        )
        cost = (
            "their wait and transfer are told as far as all ways to match them agree"
            if joined.found.ways
            else "their wait and transfer are unknown"
        )
        gaps.append(Gap("unmatched", message, cost=cost))
    if matching.refused:
        message = (
            f"{matching.refused} pairings were refused: they contradict each other in kind, size or time"
        )
        gaps.append(Gap("refused", message, cost="their wait and transfer are unknown"))
    return (*gaps, *_clock_gaps(joined, present))


def _clock_gaps(joined: Joined, present: tuple[int, ...]) -> tuple[Gap, ...]:
    """What is not told of ranks whose clocks nothing ties together."""
    if joined.contradicted:
        what = "no clock offsets satisfy the matched collectives" + _no_path(joined)
        return (Gap("clock_infeasible", what, present, cost="no waits"),)
    if not joined.untied:
        return ()
    if joined.clock is None:
        what = "no matched collective ties the ranks' clocks together" + _no_path(joined)
        return (Gap("no_clock", what, present, cost="waits between them are not told"),)
    ranks = format_ranks(joined.untied)
    what = f"no matched collective ties {ranks} to rank {joined.first}'s clock" + (
        _no_path(joined) or f": the critical path leaves {ranks} out"
    )
    return (Gap("clock_untied", what, joined.untied, cost="waits for them are not told"),)


def _no_path(joined: Joined) -> str:
    return ": there is no critical path over the ranks" if not joined.followed else ""


def incomplete(instances: pd.DataFrame) -> tuple[Gap, ...]:
    """A gap where collectives were matched on the recorded ranks and more ranks take part in them."""
    short = instances[(instances["members_present"] < instances["members"]).fillna(value=False)]
    short = short[short["instance"].notna()]
    if short.empty:
        return ()
    fewest = short.sort_values("members_present", kind="stable").iloc[0]
    count = short["instance"].nunique()
    return (
        Gap(
            "members_absent",
            f"{count} collectives were recorded on some of their members only"
            f" ({fewest['members_present']} of {fewest['members']})",
            cost="who came last is not known: their wait, transfer and bus bandwidth are not told",
            hint="record every rank of the group",
        ),
    )


def still_missing(gaps: Sequence[Gap], instances: pd.DataFrame) -> tuple[Gap, ...]:
    """The gaps of one rank, given its joined instances: sizes that other members recorded are not missing."""
    lost, count = int(instances["payload_bytes"].isna().sum()), len(instances)
    counted = f"{lost} of {count} collectives have no size"
    return tuple(
        replace(gap, message=counted) if gap.code == "sizes_missing" else gap
        for gap in gaps
        if gap.code != "sizes_missing" or lost
    )


def captures_apart(ranks: Sequence[RankAnalysis]) -> tuple[Gap, ...]:
    """A gap where the ranks' captures, as their own clocks say, have no moment in common."""
    captures = [window for one in ranks for window in one.windows[:1] if window.end_ns > window.start_ns]
    if len(captures) < 2 or max(one.start_ns for one in captures) < min(one.end_ns for one in captures):
        return ()
    return (
        Gap(
            "no_common_time",
            "the ranks' captures do not overlap in time",
            tuple(one.rank for one in ranks),
            cost="waiting can be told only if the clocks are wrong and the collectives still match",
            hint="ranks of two runs in one folder? else synchronise the hosts' clocks",
        ),
    )


def merged_gaps(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """One gap for equal messages of several ranks."""
    merged: dict[tuple[str, str], Gap] = {}
    for gap in gaps:
        seen = merged.get((gap.code, gap.message))
        ranks = tuple(sorted({*gap.ranks, *(seen.ranks if seen else ())}))
        merged[gap.code, gap.message] = Gap(gap.code, gap.message, ranks, gap.serious, gap.cost, gap.hint)
    return tuple(merged.values())
