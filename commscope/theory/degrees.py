"""One model at several degrees of tensor parallelism: Layout, ModelShape, Policy, Gpu -> Degrees.

Throughput is tokens a second and GPU, so that degrees compare whatever they use. A degree above the GPUs of a
node leaves the NVLink domain: its collectives cross the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from commscope.errors import UsageProblem
from commscope.theory.gpus import Gpu
from commscope.theory.network import neighbours
from commscope.theory.plan import Plan, plan
from commscope.theory.policy import Policy
from commscope.trace import Layout, ModelShape


@dataclass(frozen=True, slots=True)
class Degree:
    """One degree: its plan, or why there is none."""

    tp: int
    nodes: int
    planned: Plan | None
    refused: str = ""

    @property
    def throughput(self) -> float | None:
        """Tokens a second and GPU."""
        if self.planned is None:
            return None
        layout, model = self.planned.layout, self.planned.model
        ranks = layout.tp * layout.pp * layout.cp
        return model.seq * model.batch * model.microbatches / ranks / self.planned.step.time_ns * 1e9


def degrees_of(
    layout: Layout, model: ModelShape, policy: Policy, gpu: Gpu, degrees: Sequence[int]
) -> tuple[Degree, ...]:
    """Every degree in ascending order; SP stays away from one rank alone."""
    found = []
    for tp in sorted(set(degrees)):
        sp = layout.sp and tp > 1
        one = replace(layout, tp=tp, sp=sp, sp_keep_gathered=layout.sp_keep_gathered and sp)
        nodes = neighbours(tp, gpu).nodes
        try:
            found.append(Degree(tp, nodes, plan(one, model, policy, gpu)))
        except UsageProblem as problem:
            found.append(Degree(tp, nodes, None, problem.what))
    return tuple(found)


def largest_drop(degrees: Sequence[Degree]) -> tuple[Degree, Degree] | None:
    """The neighbours between which throughput falls most, in points of the first; None: it never does."""
    told = [one for one in degrees if one.throughput is not None]
    falls = [pair for pair in pairwise(told) if _lost(*pair) > 0]
    return max(falls, key=lambda pair: _lost(*pair), default=None)


def _lost(before: Degree, after: Degree) -> float:
    return (before.throughput or 0.0) - (after.throughput or 0.0)
