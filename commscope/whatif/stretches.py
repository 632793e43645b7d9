"""How long each rank's own time takes between collectives: takes a RunGraph and a number for each edge's
stretch, gives the longest way through every stretch on every rank.

A stretch is a rank's own time up to its start of a collective, or behind its last one; in it the longest
way counts, once by its work (compute, copies) and once by everything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commscope.analysis.critical_path import RunGraph
from commscope.trace import Int64, Mask

Float64 = npt.NDArray[np.float64]

WORK = ("compute", "copy")


@dataclass(frozen=True, slots=True)
class Stretches:
    """Own time in ns, stretches x ranks, zero where a rank has none."""

    work: Float64
    rest: Float64


def is_work(graph: RunGraph) -> Mask:
    """Whether each edge's time is work."""
    work: Mask = np.array([label.kind in WORK for label in graph.labels], dtype=bool)[graph.label]
    return work


def targets(graph: RunGraph) -> Int64:
    """Target node of every edge."""
    return np.repeat(np.arange(len(graph.time_ns)), np.diff(graph.first_edge))


def spent(graph: RunGraph, own: Int64, stretch: Int64, works: Mask) -> Stretches:
    """The longest way through each stretch of each rank, by work and by the rest.

    `own` are the edges of ranks' own time; `stretch` (from 0) and `works` belong to all edges.
    """
    ranks = np.unique(graph.rank)
    rank = np.searchsorted(ranks, graph.rank).tolist()
    target = targets(graph)[own]
    shape = (int(stretch[own].max(initial=0)) + 1, len(ranks))
    totals = [np.zeros(shape).tolist() for _ in range(2)]
    inside: list[dict[int, tuple[int, int]]] = [{}, {}]  # node -> (stretch, longest way to it)
    columns = (graph.source[own], target, graph.weight_ns[own], stretch[own], works[own])
    for a, b, weight, number, is_work in zip(*(column.tolist() for column in columns), strict=True):
        for kind, alone in enumerate((weight, 0) if is_work else (0, weight)):
            known, before = inside[kind].get(a, (number, 0))
            length = alone + (before if known == number else 0)
            if length >= inside[kind].get(b, (number, 0))[1]:
                inside[kind][b] = (number, length)
            row = totals[kind][number]
            row[rank[b]] = max(row[rank[b]], length)
    return Stretches(np.array(totals[0]), np.array(totals[1]))
