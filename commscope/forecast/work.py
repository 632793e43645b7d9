"""What one rank spent its computing time on: a rank's trace -> time and count by phase, place and class.

On a GPU the work is kernels, on a CPU the outermost computing operators; their names tell the class. Work
whose name does not tell whether its tensors are split over the ranks is `mixed`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from commscope.analysis.attribution import PHASES, Attribution, Busy
from commscope.analysis.breakdown import flops_of
from commscope.analysis.rank import attribute
from commscope.forecast.products import Product, Shape
from commscope.readers import read_rank
from commscope.trace import Events, RankPart, RankTrace, RunInfo


class Work(StrEnum):
    """How work behaves when a layer is spread over more ranks."""

    CORE = "core attention products"
    PRODUCTS = "matrix products"
    SCORES = "work on scores"
    SPLIT = "work on split activations"
    WHOLE = "work on whole tokens"
    MIXED = "other work"


Place = tuple[str | None, bool]  # phase, whether inside a layer
Spent = dict[tuple[str | None, bool, Work], int]

# The first that matches names the class; kernels of GPUs by what their libraries call them.
_CLASSES = tuple(
    (re.compile(pattern, re.IGNORECASE), work)
    for pattern, work in (
        (r"scaled_dot_product|flash|fmha|attention(?!.*mask)|aten::(bmm|baddbmm|matmul)$", Work.CORE),
        (r"aten::(linear|mm|addmm|_linear)|gemm|cutlass|wgmma|cublas|xmma|nvjet|splitK", Work.PRODUCTS),
        (r"softmax|masked_fill|triu|aten::div$|scores", Work.SCORES),
        (r"gelu|silu|sigmoid|swiglu|rotary|cross_entropy|nll_loss|aten::exp$|scatter_add", Work.SPLIT),
        (r"norm|dropout|embedding", Work.WHOLE),
    )
)


@dataclass(frozen=True, slots=True)
class RankWork:
    """Computing time of one rank over all its steps, in ns, and how many operators or kernels that were."""

    rank: int
    time_ns: Spent
    counts: Spent
    products: tuple[tuple[Place, Product], ...] = ()  # those with shapes, by phase and place


def rank_work(part: RankPart, info: RunInfo) -> RankWork:
    """Read one rank and add up its work by phase, place and class."""
    return work_of_trace(read_rank(part, info))


def work_of_trace(trace: RankTrace) -> RankWork:
    """Work of all steps of a rank that was read."""
    attribution, _ = attribute(trace)
    events = trace.events
    time: Counter[tuple[str | None, bool, Work]] = Counter()
    counts: Counter[tuple[str | None, bool, Work]] = Counter()
    classes = [class_of(name) for name in events.names]
    for row in np.flatnonzero((attribution.busy == Busy.COMPUTE) & (attribution.window >= 0)).tolist():
        code = int(attribution.phase[row])
        phase = str(PHASES[code]) if code >= 0 else None
        key = (phase, bool(attribution.layer[row] >= 0), classes[int(events.name_id[row])])
        time[key] += int(events.end_ns[row] - events.start_ns[row])
        counts[key] += 1
    return RankWork(trace.rank, dict(time), dict(counts), _products(trace.events, attribution))


def _products(events: Events, attribution: Attribution) -> tuple[tuple[Place, Product], ...]:
    """Outermost products of weights on the host's threads with their shapes; kernels do not tell theirs."""
    found: dict[tuple[Place, tuple[Shape, Shape], int], list[int]] = {}
    computing = (attribution.busy == Busy.COMPUTE) & (attribution.window >= 0) & (events.comm_id >= 0)
    classes = [class_of(name) for name in events.names]
    for row in np.flatnonzero(computing).tolist():
        facts, name = events.facts(row), events.name(row)
        is_product = classes[int(events.name_id[row])] == Work.PRODUCTS
        flops = flops_of(name, facts) if facts is not None and is_product else None
        if facts is None or not flops or len(facts.shapes) < 2:
            continue
        code = int(attribution.phase[row])
        place = (str(PHASES[code]) if code >= 0 else None, bool(attribution.layer[row] >= 0))
        key = (place, (facts.shapes[0], facts.shapes[1]), flops)
        found.setdefault(key, []).append(int(events.end_ns[row] - events.start_ns[row]))
    return tuple(
        (place, Product(shapes, flops, sum(times), len(times)))
        for (place, shapes, flops), times in found.items()
    )


def class_of(name: str) -> Work:
    """The class of an operator or kernel by its name."""
    return next((work for pattern, work in _CLASSES if pattern.search(name)), Work.MIXED)
