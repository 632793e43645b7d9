"""Layers and microbatches.

Takes events and launches, gives numbers per event, -1 where no range or module tells.

Evidence, strongest first: our own ranges, across threads by time; ranges of the program such as `layer 3`;
modules recorded with the profiler's stacks. A backward node without a range of its own belongs to the layer
of the forward operator with its sequence number.
"""

from __future__ import annotations

import re

import numpy as np

from commscope.analysis.events.nesting import NONE, enclosing, spans_of
from commscope.schema import LAYER_RANGE, MICROBATCH_RANGE, EventKind
from commscope.trace import Events, Int32, Int64

_MARKS = (EventKind.ANNOTATION, EventKind.OP)  # torch calls some ranges operators
_LONGEST = 400
_MOST_DIGITS = 9  # of the number of a layer or microbatch
_SPOKEN_LAYER = re.compile(r"(?:.*[\s./:_])?layers?[ ._:#=\[-]*(\d{1,9})\]?", re.IGNORECASE)
_MODULE = re.compile(r"nn\.Module: (\w*(?:Layer|Block))_(\d{1,9})")


def layers_of(events: Events, launches: Int64) -> Int32:
    """Layer of every event."""
    return _numbered(events, launches, layer_ranges(events), backward=True)


def microbatches_of(events: Events, launches: Int64) -> Int32:
    """Microbatch of every event."""
    return _numbered(events, launches, _numbers(events, MICROBATCH_RANGE), backward=False)


def _numbered(events: Events, launches: Int64, number: Int32, *, backward: bool) -> Int32:
    """Numbers of marked rows, handed to what they enclose, to backward nodes and to what was launched."""
    result = np.full(len(events), NONE, np.int32)
    marked = np.flatnonzero(number >= 0)
    if not len(marked):
        return result
    host = np.flatnonzero(events.is_kind(EventKind.OP, EventKind.ANNOTATION, EventKind.RUNTIME))
    found = enclosing(spans_of(events, marked).on_one_lane(), spans_of(events, host).on_one_lane())
    result[host] = np.where(found >= 0, number[marked[found]], NONE)
    if backward:
        result[host] = np.where(result[host] >= 0, result[host], _from_forward(events, host, result))
    launched = np.flatnonzero(launches >= 0)
    result[launched] = result[launches[launched]]
    return result


def _from_forward(events: Events, host: Int64, number: Int32) -> Int32:
    """For events inside backward nodes: the number of the forward operator that made the node."""
    nodes = np.flatnonzero((events.forward_thread > 0) & (events.sequence >= 0))
    forward = np.flatnonzero((events.forward_thread <= 0) & (events.sequence >= 0) & (number >= 0))
    if not len(nodes) or not len(forward):
        return np.full(len(host), NONE, np.int32)
    order = np.argsort(events.sequence[forward], kind="stable")
    keys = events.sequence[forward][order]
    at = np.minimum(np.searchsorted(keys, events.sequence[nodes], "left"), len(keys) - 1)
    known = keys[at] == events.sequence[nodes]
    of_node = np.where(known, number[forward[order][at]], NONE)
    found = enclosing(spans_of(events, nodes), spans_of(events, host))
    return np.where(found >= 0, of_node[found], NONE).astype(np.int32)


def layer_ranges(events: Events) -> Int32:
    """The layer that each event marks: ranges and modules; -1 for all others."""
    for number in (_numbers(events, LAYER_RANGE), _spoken(events), _modules(events)):
        if (number >= 0).any():
            return number
    return np.full(len(events), NONE, np.int32)


def _numbers(events: Events, prefix: str) -> Int32:
    """Numbers in ranges named `prefix<number>`, facts appended or not."""
    texts = [
        name.removeprefix(prefix).split("|")[0] if name.startswith(prefix) else "" for name in events.names
    ]
    numbers = [int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else NONE for text in texts]
    return _of_names(events, numbers, *_MARKS)


def _spoken(events: Events) -> Int32:
    found = [_SPOKEN_LAYER.fullmatch(name[:_LONGEST]) for name in events.names]
    return _of_names(events, [int(match[1]) if match else NONE for match in found], *_MARKS)


def _modules(events: Events) -> Int32:
    """The class of layers that took most time; a block of blocks is not split further."""
    found = [_MODULE.fullmatch(name[:_LONGEST]) for name in events.names]
    classes = {match[1] for match in found if match}
    frames = events.is_kind(EventKind.PYTHON)
    best, most = "", 0
    for name in sorted(classes):
        same = [match is not None and match[1] == name for match in found]
        mine = np.asarray(same, bool)[events.name_id] & frames
        total = int((events.end_ns[mine] - events.start_ns[mine]).sum())
        if total > most:
            best, most = name, total
    numbers = [int(match[2]) if match and match[1] == best else NONE for match in found]
    return _of_names(events, numbers, EventKind.PYTHON)


def _of_names(events: Events, numbers: list[int], *kinds: EventKind) -> Int32:
    if not numbers:
        return np.full(len(events), NONE, np.int32)
    return np.where(events.is_kind(*kinds), np.array(numbers, np.int32)[events.name_id], NONE).astype(
        np.int32
    )
