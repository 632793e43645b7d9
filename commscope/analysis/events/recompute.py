"""Recompute without ranges.

Takes events and the backward nodes among them, gives the spans in which forward ran again.

Inside a backward node autograd is off and operators have no sequence number. An `aten::` operator that has
one there, with forward thread 0, was run with autograd on: forward again (non-reentrant checkpointing,
Megatron's recompute hooks). What stands between the first and the last such operator of a node belongs to
it. Where most nodes have such operators it is double backward instead.
"""

from __future__ import annotations

import re

import numpy as np

from commscope.analysis.events.nesting import Spans, enclosing_rows
from commscope.analysis.names import where_match
from commscope.schema import EventKind
from commscope.trace import Events, Int64

# DTensor redistributes in backward with autograd functions of its own; that is no recompute.
_TENSOR_OP = re.compile(r"aten::.*")
_FEW_NODES = 4
_NOT_FORWARD = re.compile(
    r"(NestedRedistribute|Redistribute|_FromTorchTensor|_ToTorchTensor)\b.*|(c10d|_c10d_functional)::.*"
)


def recompute_spans(events: Events, nodes: Int64) -> Spans:
    """Spans inside backward nodes where forward ran again, on the thread of the node."""
    graph_on = events.is_kind(EventKind.OP) & (events.sequence >= 0) & (events.forward_thread <= 0)
    candidates = np.flatnonzero(graph_on)
    candidates = candidates[~where_match(events, _NOT_FORWARD)[candidates]]
    owners = enclosing_rows(events, nodes, candidates)
    inside = owners >= 0
    candidates, owners = candidates[inside], owners[inside]
    new = events.sequence[candidates] != events.sequence[owners]
    candidates, owners = candidates[new], owners[new]
    tensor_ops = where_match(events, _TENSOR_OP)[candidates]
    if _is_double_backward(events, nodes, owners[tensor_ops]):
        tensor_ops[:] = False
    proven = np.isin(owners, owners[tensor_ops])
    return _hulls(events, candidates[proven], owners[proven])


def _is_double_backward(events: Events, nodes: Int64, owners: Int64) -> bool:
    """With create_graph autograd is on in every node; recompute starts in a few of them only."""
    if not len(owners):
        return False
    ops = np.flatnonzero(events.is_kind(EventKind.OP) & where_match(events, _TENSOR_OP))
    working = np.unique(enclosing_rows(events, nodes, ops))
    return 2 * len(np.unique(owners)) > int((working >= 0).sum()) > _FEW_NODES


def _hulls(events: Events, rows: Int64, owners: Int64) -> Spans:
    """One span a node, from the first to the last of its rows."""
    nodes, group = np.unique(owners, return_inverse=True)
    start = np.full(len(nodes), np.iinfo(np.int64).max)
    end = np.full(len(nodes), np.iinfo(np.int64).min)
    np.minimum.at(start, group, events.start_ns[rows])
    np.maximum.at(end, group, events.end_ns[rows])
    return Spans(start, end, events.lane_id[nodes].astype(np.int64))
