"""The whole document: processes, tracks, arrows and what is said of the clock."""

from __future__ import annotations

from typing import Any

from commscope.analysis.result import Analysis, CriticalPath
from commscope.report.perfetto.beside import PATH, REPLAY, path_track, replay_tracks
from commscope.report.perfetto.ranks import rank_tracks
from commscope.report.perfetto.slices import Event, arrow_events, process_events, track_events
from commscope.schema import CAPTURE
from commscope.units import format_time
from commscope.whatif import Scenario, replayed_collectives, scenario_words


def trace_document(analysis: Analysis, scenario: Scenario | None = None) -> dict[str, Any]:
    """The run for Perfetto; with a scenario also its replay, as a process of its own."""
    path = next((one for one in analysis.critical_paths if one.window == CAPTURE and one.length_ns), None)
    origin_ns = min((one.start_ns for one in analysis.windows), default=0)
    tracks, arrows = rank_tracks(analysis, origin_ns)
    title = f"{analysis.run.name}: {_clock(analysis)}"
    events: list[Event] = []
    for order, rank in enumerate(analysis.ranks):
        events += process_events(rank, f"rank {rank}", order + 2)
    events += _path(path, origin_ns, title)
    if scenario is not None:
        replayed = replayed_collectives(analysis, scenario)
        events += process_events(REPLAY, f"what if: {scenario_words(scenario)}", len(analysis.ranks) + 2)
        tracks += replay_tracks(replayed, origin_ns)
    events += [event for track in tracks for event in track_events(track)]
    events += [event for arrow in arrows for event in arrow_events(arrow)]
    return {
        "displayTimeUnit": "ns",
        "otherData": {"title": title, "origin_ns": origin_ns},
        "traceEvents": events,
    }


def _path(path: CriticalPath | None, origin_ns: int, title: str) -> list[Event]:
    """The path's process bears the title: it stands first."""
    events = list(process_events(PATH, title, 1))
    return events + (list(track_events(path_track(path, origin_ns))) if path is not None else [])


def _clock(analysis: Analysis) -> str:
    if analysis.clock is None:
        return "clocks of ranks not brought together"
    return f"one clock, residual {format_time(analysis.clock.residual_ns)}"
