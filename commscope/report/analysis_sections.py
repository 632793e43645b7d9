"""What `commscope analyze` tells: Analysis -> sections, most important first, short enough for one screen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from commscope.analysis.result import Analysis, CriticalPath, RankBreakdown
from commscope.analysis.summary import (
    breakdown_of,
    collective_totals,
    longest_span_ns,
    phases_present,
    step_windows,
    typical_window,
    why_phases_are_hidden,
)
from commscope.compare import utilisation_of
from commscope.compare.words.work_words import work_sentences
from commscope.layouts import layout_words
from commscope.report.found import (
    MOST_STALLS,
    late_section,
    named_path,
    proposal_section,
    stall_section,
    top_sections,
)
from commscope.report.held_back import held_back
from commscope.report.matched import matched_words
from commscope.report.saved_sections import saved_section
from commscope.report.sections import Section, cut
from commscope.schema import SERVING_PHASES, Phase
from commscope.trace import Gap
from commscope.units import (
    format_bandwidth,
    format_bytes,
    format_count,
    format_percent,
    format_ranks,
    format_time,
)

MOST_RANKS = 8
MOST_COLLECTIVES = 10


def analysis_sections(
    analysis: Analysis, window: str | None = None, gpu: str | None = None, top: int = 0
) -> tuple[Section, ...]:
    """The answer for one window; without one, the step of median length (or the whole capture).

    With `top` also so many rows of each table of what took longest.
    """
    name = window or typical_window(analysis)
    parts = (
        headline(analysis, name),
        proposal_section(analysis, name),
        _breakdown(analysis, name),
        Section("What was computed", work_sentences(utilisation_of(analysis, gpu))),
        _moved(analysis, name),
        stall_section(analysis, name),
        late_section(analysis, name),
        _path(analysis, name),
        saved_section(analysis.run),
        *(top_sections(analysis, name, top) if top else ()),
        _gaps(analysis),
    )
    return tuple(part for part in parts if part is not None)


def headline(analysis: Analysis, window: str) -> Section:
    """What is told first: the run, and sentences on one window."""
    run, rows = analysis.run, breakdown_of(analysis, window)
    facts = [f"{len(analysis.ranks)} rank{'s' * (len(analysis.ranks) != 1)}"]
    if analysis.missing_ranks:
        facts.append(f"missing {format_ranks(analysis.missing_ranks)}")
    facts += [fact for fact in (run.backend, layout_words(run.layout)) if fact]
    title = f"{run.name}: {', '.join(facts)}"
    cut_short = _cut_short(analysis)
    if not rows:
        return Section(title, (*cut_short, *_without_breakdown(analysis)))
    steps = len(step_windows(analysis))
    which = f"{window}, the median of {steps} steps" if steps > 1 and window != "capture" else window
    span_ns = longest_span_ns(analysis, window)
    sentence = (
        f"{format_time(span_ns)} ({which}): {_share(rows, 'compute_ns')} compute, "
        f"{_share(rows, 'exposed_ns')} exposed communication{_waiting(rows)}, "
        f"{_share(rows, 'copy_ns')} copies, {_idle(rows)}."
    )
    held = held_back(analysis, window)
    return Section(title, (*cut_short, sentence, *([held] if held else []), _phases(analysis)))


def _without_breakdown(analysis: Analysis) -> tuple[str, ...]:
    """What can be said where the trace does not tell what was busy."""
    table = analysis.instances
    if table.empty:
        return ("Nothing was busy in this window.",)
    if bool(table["is_call_only"].all()):
        return ("Only the hosts' calls were recorded: no times can be told.", _phases(analysis))
    told = table[table["wait_ns"].notna()]
    length_ns = int((told["end_ns"] - told["start_ns"]).sum())
    share = format_percent(int(told["wait_ns"].sum()) / length_ns) if length_ns else None
    waiting = f" {share} of the time in collectives whose waits are told was waiting." if share else ""
    return (f"Only communication was recorded: compute and idle time cannot be told.{waiting}",)


def _cut_short(analysis: Analysis) -> tuple[str, ...]:
    """A sentence where files were not read to their end, for what was lost cannot be told."""
    ranks = {rank for gap in analysis.gaps if gap.code in _CUT_SHORT for rank in gap.ranks}
    if not ranks:
        return ()
    return (
        f"Incomplete: the file of {format_ranks(tuple(sorted(ranks)))} breaks off; what follows is missing.",
    )


_CUT_SHORT = ("truncated", "corrupt", "too_large")


def _share(rows: tuple[RankBreakdown, ...], field: str) -> str:
    return format_percent(sum(getattr(row, field) for row in rows) / max(1, sum(row.span_ns for row in rows)))


def _waiting(rows: tuple[RankBreakdown, ...]) -> str:
    total = sum(row.exposed_ns for row in rows)
    unknown = sum(row.exposed_unknown_ns or 0 for row in rows)
    if not total:
        return ""
    if unknown == total:
        return " (waiting not told from transfer)"
    waited = format_percent(sum(row.exposed_wait_ns or 0 for row in rows) / total)
    if not unknown:
        return f" ({waited} of it waiting)"
    return f" (at least {waited} of it waiting, {format_percent(unknown / total)} not told)"


def _idle(rows: tuple[RankBreakdown, ...]) -> str:
    if any(row.host_bound_ns is None for row in rows):
        return f"{_share(rows, 'idle_ns')} idle"
    return f"{_share(rows, 'host_bound_ns')} host-bound, {_share(rows, 'idle_ns')} idle"


def _phases(analysis: Analysis) -> str:
    present, hidden = phases_present(analysis), why_phases_are_hidden(analysis)
    if not present:
        return f"Phases: cannot be told: {hidden or 'nothing ran'}."
    trained = (Phase.FORWARD, Phase.BACKWARD, Phase.RECOMPUTE, Phase.OPTIMIZER)
    absent = [str(phase) for phase in trained if phase not in present]
    told = ", ".join(str(phase) for phase in present)
    if not absent or any(phase in present for phase in SERVING_PHASES):
        return f"Phases: {told}."
    if hidden is not None:
        return f"Phases: {told}. Whether {' or '.join(absent)} ran cannot be told: {hidden}."
    return f"Phases: {told}. Not present: {', '.join(absent)}."


def _breakdown(analysis: Analysis, window: str) -> Section | None:
    rows = breakdown_of(analysis, window)
    if not rows:
        return None
    cells = {
        "rank": [str(row.rank) for row in rows],
        "span": [format_time(row.span_ns) for row in rows],
        "compute": [format_time(row.compute_ns) for row in rows],
        "(overlapped)": [format_time(row.overlapped_ns) for row in rows],
        **_exposed_cells(rows),
        "copy": [format_time(row.copy_ns) for row in rows],
        **_idle_cells(rows),
    }
    table = cut(tuple(cells), list(zip(*cells.values(), strict=True)), MOST_RANKS)
    return Section("Where each rank's time went", (), table)


def _exposed_cells(rows: tuple[RankBreakdown, ...]) -> dict[str, list[str]]:
    """Transfer and wait apart where any rank tells them, and beside them what is not told; else together."""
    if all(row.exposed_wait_ns is None for row in rows):
        return {"exposed": [format_time(row.exposed_ns) for row in rows]}
    unknown = {"exposed, not told": [format_time(row.exposed_unknown_ns) for row in rows]}
    return {
        "exposed transfer": [format_time(row.exposed_transfer_ns) for row in rows],
        "exposed wait": [format_time(row.exposed_wait_ns) for row in rows],
        **(unknown if any(row.exposed_unknown_ns for row in rows) else {}),
    }


def _idle_cells(rows: tuple[RankBreakdown, ...]) -> dict[str, list[str]]:
    """Host-bound is told from idle on devices only."""
    idle = {"idle": [format_time(row.idle_ns) for row in rows]}
    if any(row.host_bound_ns is None for row in rows):
        return idle
    return {"host-bound": [format_time(row.host_bound_ns) for row in rows], **idle}


def _moved(analysis: Analysis, window: str) -> Section | None:
    totals = collective_totals(analysis, window, ("collective", "phase", "role", "payload_bytes"))
    if totals.empty:
        return Section("What moved", ("No communication was recorded.",))
    ranks = max(1, len(analysis.ranks))
    order = {str(phase): index for index, phase in enumerate(Phase)}
    totals = totals.sort_values(
        ["phase", "duration_ns"],
        ascending=[True, False],
        key=lambda column: column.map(order) if column.name == "phase" else column,
    )
    cells = [_moved_cells(row, ranks) for row in totals.to_dict("records")]
    if not totals["unknown_ns"].any():
        cells = [{name: cell for name, cell in one.items() if name != "not told"} for one in cells]
    columns, rows = tuple(cells[0]), [tuple(one.values()) for one in cells]
    return Section(
        "What moved, mean per rank", (matched_words(analysis.matching),), cut(columns, rows, MOST_COLLECTIVES)
    )


def _moved_cells(row: Mapping[Hashable, Any], ranks: int) -> dict[str, str]:
    """Cells by column; time = wait + transfer + not told, busbw where the transfer is known."""

    def mean_of(key: str) -> float | None:
        value = row[key]
        return None if pd.isna(value) else float(value) / ranks

    def text_of(key: str) -> str:
        value = row[key]
        return "-" if pd.isna(value) else str(value)

    wire, transfer = mean_of("matched_wire_bytes"), mean_of("matched_transfer_ns")
    return {
        "phase": text_of("phase"),
        "collective": text_of("collective"),
        "role": text_of("role"),
        "count": format_count(mean_of("count")),
        "payload": format_bytes(mean_of("total_payload_bytes")),
        "wire": format_bytes(mean_of("total_wire_bytes")),
        "time": format_time(mean_of("duration_ns")),
        "wait": format_time(mean_of("known_wait_ns")),
        "transfer": format_time(mean_of("known_transfer_ns")),
        "not told": format_time(mean_of("unknown_ns")),
        "busbw": format_bandwidth(wire / transfer if wire and transfer else None),
    }


def _path(analysis: Analysis, window: str) -> Section | None:
    path = _path_of(analysis, window)
    if path is None:
        return None
    kinds = sorted(path.by_kind_ns.items(), key=lambda item: -item[1])
    shares = ", ".join(
        f"{format_percent(ns / path.length_ns)} {_UNTOLD.get(kind, kind)}" for kind, ns in kinds if ns > 0
    )
    ranks = sorted(((rank, ns) for rank, ns in path.by_rank_ns.items() if ns), key=lambda item: -item[1])
    over = (
        f"{len(ranks)} rank{'s' * (len(ranks) != 1)}, {path.hand_offs} hand-off{'s' * (path.hand_offs != 1)}"
    )
    told = f"{format_time(path.length_ns)} over {over}: {shares}."
    rows = [(f"rank {rank}", format_time(ns), format_percent(ns / path.length_ns)) for rank, ns in ranks]
    table = cut(("on rank", "time", "share"), rows, MOST_STALLS)
    named = named_path(path)
    return Section("Critical path", (told, named) if named else (told,), table)


_UNTOLD = {"communication": "communication (waiting not told)"}


def _path_of(analysis: Analysis, window: str) -> CriticalPath | None:
    return next((one for one in analysis.critical_paths if one.window == window and one.length_ns), None)


def _gaps(analysis: Analysis) -> Section | None:
    gaps = [gap for gap in analysis.gaps if gap.serious]
    if not gaps:
        return None
    lines = [
        f"- {_whose(gap, analysis)}{gap.message}" + (f" ({gap.hint})" if gap.hint else "") for gap in gaps
    ]
    return Section("Not told by this trace", tuple(lines))


def _whose(gap: Gap, analysis: Analysis) -> str:
    """Names the ranks where a gap is of some and not of all."""
    is_some = 0 < len(gap.ranks) < len(analysis.ranks) and set(gap.ranks) <= set(analysis.ranks)
    return f"{format_ranks(gap.ranks)}: " if is_some else ""
