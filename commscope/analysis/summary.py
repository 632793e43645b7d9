"""Small answers that text, figures and dashboard share: typical window, phases, totals."""

from __future__ import annotations

import pandas as pd

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.schema import CAPTURE, Phase

GROUP_KEYS = ("rank", "collective", "phase", "role", "group", "group_size", "dtype", "payload_bytes")


def step_windows(analysis: Analysis) -> tuple[str, ...]:
    """Names of the steps, in order; empty where the trace marks none."""
    return tuple(window.name for window in analysis.windows if window.name != CAPTURE)


def typical_window(analysis: Analysis) -> str:
    """The step whose longest rank is the (lower) median of all steps; `capture` where no steps are marked."""
    longest_ns: dict[str, int] = {}
    for row in analysis.breakdown:
        longest_ns[row.window] = max(row.span_ns, longest_ns.get(row.window, row.span_ns))
    longest = [(longest_ns.get(name, 0), name) for name in step_windows(analysis)]
    return sorted(longest)[(len(longest) - 1) // 2][1] if longest else CAPTURE


def longest_span_ns(analysis: Analysis, window: str) -> int:
    """Span of the window on the rank where it lasted longest."""
    return max((row.span_ns for row in breakdown_of(analysis, window)), default=0)


def breakdown_of(analysis: Analysis, window: str) -> tuple[RankBreakdown, ...]:
    """Breakdown rows of one window, by rank."""
    return tuple(row for row in analysis.breakdown if row.window == window)


def breakdown_by_window(analysis: Analysis) -> dict[str, list[RankBreakdown]]:
    """Breakdown rows of each window that has some, in the order of the rows."""
    found: dict[str, list[RankBreakdown]] = {}
    for row in analysis.breakdown:
        found.setdefault(row.window, []).append(row)
    return found


def instances_in(analysis: Analysis, window: str) -> pd.DataFrame:
    """Instances of one window; `capture` holds all of them."""
    table = analysis.instances
    return table if window == CAPTURE else table[table["window"] == window]


_MOSTLY = 2 / 3


def communication_class(analysis: Analysis, window: str) -> str:
    """What a window's communication is: `transfer` or `arrival skew` (two thirds of its time at least),
    `mixed`, or `inconclusive` where what is not told could decide.
    """
    table = instances_in(analysis, window)
    table = table[~table["is_call_only"]]
    total_ns = int((table["end_ns"] - table["start_ns"]).sum())
    if not total_ns:
        return "inconclusive"
    least_ns = int(table["wait_ns"].fillna(0).sum())
    untold = table[table["wait_ns"].isna()]
    most_ns = least_ns + int((untold["end_ns"] - untold["start_ns"]).sum())
    classes = {_class_of(wait_ns / total_ns) for wait_ns in (least_ns, most_ns)}
    return classes.pop() if len(classes) == 1 else "inconclusive"


def _class_of(wait_share: float) -> str:
    if wait_share >= _MOSTLY:
        return "arrival skew"
    return "transfer" if wait_share <= 1 - _MOSTLY else "mixed"


def phases_present(analysis: Analysis) -> tuple[Phase, ...] | None:
    """Phases with compute or communication in the capture; None where phases cannot be told."""
    rows = breakdown_of(analysis, CAPTURE)
    known = set(analysis.instances["phase"].dropna().unique())
    if not known and not any(row.compute_by_phase_ns for row in rows):
        return None
    seen = {
        phase for row in rows for phase, time_ns in (row.compute_by_phase_ns or {}).items() if time_ns > 0
    }
    seen |= {Phase(phase) for phase in known}
    return tuple(phase for phase in Phase if phase in seen)


_HIDES_PHASES = {
    "communication_only": "only communication was recorded",
    "no_device_events": "the device's events were not recorded",
    "truncated": "a file ends in the middle",
    "corrupt": "a file is damaged",
    "too_large": "a file was not read to its end",
    "graph_phases": "kernels of a CUDA graph do not say theirs",
    "launches_missing": "kernels lack their launch records",
    "no_phases": "there are no host operators and no ranges",
}


def why_phases_are_hidden(analysis: Analysis) -> str | None:
    """Why a phase that is not seen may still have run; None where all device work has its phase."""
    codes = {gap.code for gap in analysis.gaps}
    for code, why in _HIDES_PHASES.items():
        if code in codes:
            return why
    rows = breakdown_of(analysis, CAPTURE)
    told = all(
        row.compute_ns == 0
        or (row.compute_by_phase_ns is not None and sum(row.compute_by_phase_ns.values()) == row.compute_ns)
        for row in rows
    )
    every = {row.rank for row in rows} == set(analysis.ranks) and bool(
        analysis.instances["phase"].notna().all()
    )
    return None if told and every else "part of the work has no phase"


def collective_totals(analysis: Analysis, window: str, keys: tuple[str, ...] = GROUP_KEYS) -> pd.DataFrame:
    """Instances of a window summed by `keys`: see `totals_of`."""
    return totals_of(instances_in(analysis, window), keys)


def totals_of(table: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Instances summed by `keys`, in their order.

    Adds count, duration_ns, total_payload_bytes and total_wire_bytes (null where one instance's time or size
    is unknown), matched_count (instances whose wait and transfer are known), and over those
    matched_transfer_ns and matched_wire_bytes. known_wait_ns is what all waited, of unproved ones what they
    waited in every way they can be matched; known_transfer_ns likewise (null where nothing is told), and
    unknown_ns is the rest of the duration. wait_ns and transfer_ns are null where one is not known,
    least_wait_ns counts what those waited at least. members and members_present are of the instance with the
    most and the fewest.
    """
    matched, told = table["transfer_ns"].notna(), table["most_wait_ns"].notna()
    duration = (table["end_ns"] - table["start_ns"]).astype("Int64")
    columns = table[list(keys)].assign(
        count=1,
        total_payload_bytes=table["payload_bytes"],
        total_wire_bytes=table["wire_bytes"],
        sized=table["payload_bytes"].notna().astype("int64"),
        wired=table["wire_bytes"].notna().astype("int64"),
        duration_ns=duration.where(~table["is_call_only"]),
        timed=(~table["is_call_only"]).astype("int64"),
        matched_count=matched.astype("int64"),
        known_wait_ns=table["least_wait_ns"].where(told),
        known_transfer_ns=duration - table["most_wait_ns"],
        unknown_ns=(table["most_wait_ns"] - table["least_wait_ns"])
        .where(told, duration)
        .where(~table["is_call_only"], 0),
        least_wait_ns=table["least_wait_ns"],
        matched_transfer_ns=table["transfer_ns"],
        matched_wire_bytes=table["wire_bytes"].where(matched),
    )
    sums = columns.groupby(list(keys), dropna=False, sort=True, as_index=False).sum(min_count=1)
    for part in ("wait_ns", "transfer_ns"):
        sums[part] = sums[f"known_{part}"].where(sums["matched_count"] == sums["count"])
    by_key = table.groupby(list(keys), dropna=False, sort=True)
    sums["members"] = by_key["members"].max().to_numpy()
    sums["members_present"] = by_key["members_present"].min().to_numpy()
    sums["total_payload_bytes"] = sums["total_payload_bytes"].where(sums["sized"] == sums["count"])
    sums["total_wire_bytes"] = sums["total_wire_bytes"].where(sums["wired"] == sums["count"])
    sums["duration_ns"] = sums["duration_ns"].where(sums["timed"] == sums["count"])
    return sums.drop(columns=["sized", "wired", "timed"])
