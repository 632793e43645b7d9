"""Phases of host events, and through their launch of device events.

Takes events, gives an index into PHASES per event.

Evidence, strongest first: our own ranges, across threads by time; autograd and optimizer structure on the
thread (measured on Megatron-core, torchtitan, picotron, DTensor; see trace-formats.md section 4); batches of
an engine; ranges of the program named after a phase; else the position in the step: before a backward it is
forward, behind the last one other. A thread without operators works for what runs meanwhile on the others. A
CUDA graph holds whatever was captured: its position says nothing of its kernels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commscope.analysis.attribution import PHASES
from commscope.analysis.events.engine_steps import engine_steps
from commscope.analysis.events.nesting import NONE, Spans, enclosing, spans_of
from commscope.analysis.events.optimizer_steps import optimizer_spans
from commscope.analysis.events.recompute import recompute_spans
from commscope.analysis.names import where_match
from commscope.analysis.result import Window
from commscope.readers.names.phases import (
    ACCUMULATE_NODE,
    BACKWARD_NODE,
    GRAPH_LAUNCH,
    OPTIMIZER_STEP,
    spoken_phase,
)
from commscope.schema import PHASE_RANGE, EventKind, Phase
from commscope.trace import Events, Int64

Codes = npt.NDArray[np.int8]
FORWARD, BACKWARD, RECOMPUTE, OPTIMIZER, OTHER = (
    PHASES.index(phase)
    for phase in (Phase.FORWARD, Phase.BACKWARD, Phase.RECOMPUTE, Phase.OPTIMIZER, Phase.OTHER)
)
_CHECKPOINT_NODE = re.compile(r"\w*Checkpoint\w*Backward\d*(, seq = .*)?")
_AROUND = re.compile(r"enumerate\(DataLoader\).*|.*DataLoader.*__next__.*")
_SPOKEN_PHASES = {"f": FORWARD, "b": BACKWARD, "r": RECOMPUTE, "o": OPTIMIZER}


@dataclass(frozen=True, slots=True)
class _Marked:
    """Spans that each say a phase."""

    spans: Spans
    codes: Codes

    def around(self, queries: Spans) -> Codes:
        """The phase of the innermost span around each query, or -1."""
        found = enclosing(self.spans, queries)
        return (
            np.where(found >= 0, self.codes[found], NONE).astype(np.int8)
            if len(self.codes)
            else _blank(queries)
        )

    def on_one_lane(self) -> _Marked:
        """The same spans, as if all stood on one thread."""
        return _Marked(self.spans.on_one_lane(), self.codes)

    def only(self, code: int) -> _Marked:
        """The spans of one phase."""
        chosen = self.codes == code
        spans = self.spans
        return _Marked(
            Spans(spans.start_ns[chosen], spans.end_ns[chosen], spans.lane[chosen]), self.codes[chosen]
        )


def phases_of(events: Events, launches: Int64, windows: tuple[Window, ...]) -> Codes:
    """Phase of every event; -1 where nothing tells. `launches` are the rows that launched device events."""
    phase = np.full(len(events), NONE, np.int8)
    host = np.flatnonzero(events.is_kind(EventKind.OP, EventKind.ANNOTATION, EventKind.RUNTIME))
    if events.is_kind(EventKind.OP, EventKind.ANNOTATION).any():
        phase[host] = _host_phases(events, host, windows)
    launched = np.flatnonzero(launches >= 0)
    phase[launched] = phase[launches[launched]]
    return phase


def _host_phases(events: Events, host: Int64, windows: tuple[Window, ...]) -> Codes:
    queries = spans_of(events, host)
    structure, anchors = _structure(events)
    structural = structure.around(queries)
    helping = ~np.isin(queries.lane, _operating_lanes(events))
    if helping.any():
        meanwhile = structure.on_one_lane().around(queries.on_one_lane())
        structural = np.where(helping, meanwhile, structural).astype(np.int8)
    marked = _ours(events)
    ours = marked.around(queries.on_one_lane())
    said = _spoken(events)
    spoken = said.around(queries.on_one_lane())
    inside_backward = said.only(BACKWARD).around(queries.on_one_lane()) == BACKWARD
    spoken[(spoken == FORWARD) & inside_backward] = RECOMPUTE
    ours[(ours == BACKWARD) & (structural == RECOMPUTE)] = RECOMPUTE
    if len(marked.codes):
        result = np.full(len(host), OTHER, np.int8)
    elif anchors.any or _shows_operators(events):
        result = _placed(queries.start_ns, windows, anchors)
        result[where_match(events, _AROUND)[host]] = OTHER
        result[where_match(events, GRAPH_LAUNCH)[host]] = NONE
    else:
        result = np.full(len(host), NONE, np.int8)
    batches = _batches(events).around(queries.on_one_lane())
    for stronger in (spoken, batches, structural, ours):
        result = np.where(stronger >= 0, stronger, result)
    return result.astype(np.int8)


def _operating_lanes(events: Events) -> Int64:
    """Threads with operators or ranges of their own."""
    return np.unique(events.lane_id[events.is_kind(EventKind.OP, EventKind.ANNOTATION)]).astype(np.int64)


def _shows_operators(events: Events) -> bool:
    """Whether a backward would have shown itself: torch's operators are there."""
    host = events.is_kind(EventKind.OP, EventKind.ANNOTATION)
    return bool((host & where_match(events, re.compile(r"aten::.*"))).any())


def _structure(events: Events) -> tuple[_Marked, _Anchors]:
    """Spans that autograd and optimizers leave, and when backward nodes and optimizer steps start."""
    marks = events.is_kind(EventKind.OP, EventKind.ANNOTATION)
    nodes = np.flatnonzero(marks & where_match(events, BACKWARD_NODE))
    checkpoints = np.flatnonzero(marks & where_match(events, _CHECKPOINT_NODE))
    optimizers = np.flatnonzero(marks & where_match(events, OPTIMIZER_STEP))
    steps = optimizers[where_match(events, re.compile(r"Optimizer\.step.*"))[optimizers]]
    stepping = optimizer_spans(events, optimizers, nodes)
    recomputed = recompute_spans(events, nodes[~where_match(events, ACCUMULATE_NODE)[nodes]])
    parts = [
        (spans_of(events, nodes), BACKWARD),
        (spans_of(events, checkpoints), RECOMPUTE),
        (recomputed, RECOMPUTE),
        (stepping, OPTIMIZER),
    ]
    stepped = np.sort(optimizer_spans(events, steps, nodes).start_ns)
    return _marked(parts), _Anchors(events.start_ns[nodes], stepped)


def _ours(events: Events) -> _Marked:
    codes = np.array([_our_phase(name) for name in events.names], np.int8)
    rows = np.flatnonzero(events.is_kind(EventKind.OP, EventKind.ANNOTATION) & (codes[events.name_id] >= 0))
    return _Marked(spans_of(events, rows).on_one_lane(), codes[events.name_id[rows]])


def _our_phase(name: str) -> int:
    if not name.startswith(PHASE_RANGE):
        return NONE
    spoken = name.removeprefix(PHASE_RANGE).split("|")[0]
    return PHASES.index(Phase(spoken)) if spoken in list(Phase) else NONE


def _spoken(events: Events) -> _Marked:
    """Ranges of the program itself, such as `## forward ##`."""
    codes = np.array([_spoken_phase(name) for name in events.names], np.int8)
    rows = np.flatnonzero(events.is_kind(EventKind.ANNOTATION) & (codes[events.name_id] >= 0))
    return _Marked(spans_of(events, rows).on_one_lane(), codes[events.name_id[rows]])


def _batches(events: Events) -> _Marked:
    """Batches of an engine, whose phase is that of all that runs in their step, graphs too."""
    steps = engine_steps(events)
    return _Marked(Spans(steps.start_ns, steps.end_ns, np.zeros(len(steps.rows), np.int64)), steps.phase)


def _spoken_phase(name: str) -> int:
    letter = spoken_phase(name)
    return NONE if letter is None else _SPOKEN_PHASES[letter]


@dataclass(frozen=True, slots=True)
class _Anchors:
    """When backward nodes and optimizer steps start, each sorted."""

    backward_ns: Int64
    optimizer_ns: Int64

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(len(self.backward_ns) or len(self.optimizer_ns))


def _placed(time_ns: Int64, windows: tuple[Window, ...], anchors: _Anchors) -> Codes:
    """Forward or other by the place between backward and optimizer in the same step. Times are sorted."""
    if not windows:
        return _placed_within(time_ns, anchors, steps_marked=False)
    placed = np.full(len(time_ns), OTHER, np.int8)
    for window in windows:
        inside = slice(*np.searchsorted(time_ns, (window.start_ns, window.end_ns)))
        own = _Anchors(_between(anchors.backward_ns, window), _between(anchors.optimizer_ns, window))
        placed[inside] = _placed_within(time_ns[inside], own, steps_marked=True)
    return placed


def _placed_within(time_ns: Int64, anchors: _Anchors, *, steps_marked: bool) -> Codes:
    next_backward, last_backward = _around(anchors.backward_ns, time_ns)
    next_optimizer, last_optimizer = _around(anchors.optimizer_ns, time_ns)
    leads_to_backward = (next_backward < _NEVER) & (next_backward <= next_optimizer)
    nothing_ahead = (next_backward == _NEVER) & (next_optimizer == _NEVER)
    nothing_behind = (last_backward == -_NEVER) & (last_optimizer == -_NEVER)
    new_step = (last_optimizer > last_backward) & (not steps_marked)
    forward = leads_to_backward | (nothing_ahead & (nothing_behind | new_step))
    return np.where(forward, FORWARD, OTHER).astype(np.int8)


_NEVER = np.iinfo(np.int64).max


def _around(sorted_ns: Int64, time_ns: Int64) -> tuple[Int64, Int64]:
    """The next and the previous of some times for each given time."""
    at = np.searchsorted(sorted_ns, time_ns, "left")
    return np.r_[sorted_ns, _NEVER][at], np.r_[-_NEVER, sorted_ns][at]


def _between(sorted_ns: Int64, window: Window) -> Int64:
    return sorted_ns[slice(*np.searchsorted(sorted_ns, (window.start_ns, window.end_ns)))]


def _marked(parts: list[tuple[Spans, int]]) -> _Marked:
    spans = Spans(
        np.concatenate([part.start_ns for part, _ in parts]),
        np.concatenate([part.end_ns for part, _ in parts]),
        np.concatenate([part.lane for part, _ in parts]),
    )
    codes = np.concatenate([np.full(len(part.start_ns), code, np.int8) for part, code in parts])
    return _Marked(spans, codes)


def _blank(queries: Spans) -> Codes:
    return np.full(len(queries.start_ns), NONE, np.int8)
