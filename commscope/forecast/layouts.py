"""A recorded run under other layouts: Analysis and RankWork -> Machine; Machine and Layout -> Forecast.

The graph of the run is replayed with substituted nodes. Each stretch of computing takes as much longer as
the work of its cell (phase, inside a layer or not) does by class; each transfer, as the collectives of its
cell do on this network; what the run does not have (recompute, collectives of one rank alone) is inserted
where it would run, exposed. What waits on what stays as recorded, so overlap does. Ranks that share the cores
of a host take turns: their time grows with ranks over cores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from commscope.analysis.critical_path import RunGraph, run_graph
from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace
from commscope.forecast.cells import Shares, calls_of, recomputed_share, shares_of
from commscope.forecast.doubts import Doubt, Residuals, Unknown, doubts_of, half_width_ns
from commscope.forecast.products import Product, Speed, speed_of
from commscope.forecast.transfers import Transfers, total_ns, transfers_of
from commscope.forecast.work import Place, RankWork, Spent, Work
from commscope.layouts import check_layout
from commscope.schema import CAPTURE, Phase
from commscope.theory.memory import Memory, rank_memory
from commscope.theory.policy import PAPER, Policy
from commscope.trace import Layout, ModelShape
from commscope.whatif import outcomes_of

FORWARD, BACKWARD, RECOMPUTE = str(Phase.FORWARD), str(Phase.BACKWARD), str(Phase.RECOMPUTE)
PASSES = (FORWARD, BACKWARD, RECOMPUTE)
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run tells of the machine it ran on, and the run itself."""

    analysis: Analysis
    layout: Layout
    model: ModelShape
    graph: RunGraph
    work: Spent  # a rank and step, on average
    transfers: Transfers
    residuals: Residuals
    products: tuple[Product, ...]  # of all ranks, those with shapes
    speed: Speed
    cores: int | None  # of a host whose ranks compute on its cores; None on GPUs
    profiler_ns: float  # what the profiler adds to a step; 0 where steps were not timed without it
    counts: Spent  # operators or kernels of a rank and step, on average

    def crowding(self, ranks: int) -> float:
        """How much longer everything takes because ranks share cores."""
        return 1.0 if self.cores is None else max(1.0, ranks / self.cores)


@dataclass(frozen=True, slots=True)
class Forecast:
    """One layout's step on the machine of the run."""

    layout: Layout
    ranks: int
    time_ns: float
    parts_ns: dict[str, int]  # of the critical path, as replayed
    memory: Memory
    doubts: tuple[Doubt, ...]
    crowding: float

    @property
    def low_ns(self) -> float:
        """The step less its doubts."""
        return max(0.0, self.time_ns - half_width_ns(self.doubts))

    @property
    def high_ns(self) -> float:
        """The step and its doubts."""
        return self.time_ns + half_width_ns(self.doubts)


def measured_machine(
    analysis: Analysis, works: Sequence[RankWork], layout: Layout, model: ModelShape
) -> Machine:
    """What the run tells. Raises IncompleteTrace where it has no steps, no graph or no work of ranks."""
    where = str(analysis.run.path)
    steps = [window for window in analysis.windows if window.name != CAPTURE]
    if not analysis.skeletons or not steps or not any(work.time_ns for work in works):
        raise IncompleteTrace(
            "no forecast from this run: it has no steps whose work was recorded",
            where=where,
            hint="commscope record gpt --tp 2 --steps 5 makes one that has",
        )
    spans = [window.span_ns for window in steps]
    profiled = median(spans)
    told = [row.time_ns for row in analysis.run.step_times if not row.profiled]
    timed = [row.time_ns for row in analysis.run.step_times if row.profiled]
    scatter = _MAD_TO_SIGMA * median(abs(span - profiled) for span in spans) / profiled
    network = transfers_of(analysis.instances, analysis.run.backend)
    work = _mean_of([one.time_ns for one in works], len(steps))
    products = tuple(product for one in works for _, product in one.products)
    speed = speed_of(products)
    on_cores = bool(analysis.run.devices) and set(analysis.run.devices) == {"cpu"}
    cpus = analysis.run.host.get("cpus")
    return Machine(
        analysis=analysis,
        layout=layout,
        model=model,
        graph=run_graph(analysis.skeletons, analysis.instances, analysis.clock),
        work=work,
        transfers=network,
        residuals=Residuals(scatter / len(spans) ** 0.5, network.scatter, speed.residual),
        products=products,
        speed=speed,
        cores=int(cpus) if on_cores and isinstance(cpus, int) else None,
        profiler_ns=max(0.0, median(timed) - median(told)) if told and timed else 0.0,
        counts=_mean_of([one.counts for one in works], len(steps)),
    )


def forecast(machine: Machine, layout: Layout, policy: Policy = PAPER) -> Forecast:
    """The step of another layout. Raises UsageProblem where layout and model do not fit each other."""
    check_layout(layout, machine.model)
    ranks = layout.tp * layout.dp
    crowding = machine.crowding(ranks) / machine.crowding(machine.layout.tp * machine.layout.dp)
    weights = _weights(machine, layout, crowding)
    outcomes = outcomes_of(machine.graph, weights, machine.analysis.windows)
    steps = sorted((one for one in outcomes if one.window != CAPTURE), key=lambda one: one.after_ns)
    typical = steps[(len(steps) - 1) // 2]
    profiled_ns = median(one.after_ns for one in steps)
    time_ns = max(0.0, profiled_ns - machine.profiler_ns * crowding * _operators_ratio(machine, layout))
    unknown = _unknown(machine, layout, crowding)
    return Forecast(
        layout=layout,
        ranks=ranks,
        time_ns=time_ns,
        parts_ns=dict(typical.after.by_kind_ns),
        memory=rank_memory(layout, machine.model, policy),
        doubts=doubts_of(time_ns, unknown, machine.residuals, _recorded_as(layout, machine.model)),
        crowding=crowding,
    )


def _weights(machine: Machine, layout: Layout, crowding: float) -> np.ndarray:
    """The weight of every edge of the run's graph under the layout."""
    graph = machine.graph
    computing, moving = _factors(machine, layout, crowding)
    factors = []
    for label in graph.labels:
        place = (label.phase, label.layer is not None)
        if label.kind == "transfer" and label.collective is not None:
            factors.append(moving.get(place, 1.0))
        elif label.kind == "compute":
            factors.append(computing.get(place, 1.0))
        else:
            factors.append(crowding if label.kind == "host" else 1.0)
    scaled = np.rint(graph.weight_ns * np.array([*factors, 1.0])[graph.label])
    return np.where(graph.weight_ns > 0, scaled, graph.weight_ns).astype(np.int64)


def _factors(
    machine: Machine, layout: Layout, crowding: float
) -> tuple[dict[Place, float], dict[Place, float]]:
    """By cell, over what it was: computing with what is inserted there; transfers."""
    model = machine.model
    old_calls, new_calls = calls_of(machine.layout, model), calls_of(layout, model)
    spent, wanted = machine.work, _new_work(machine, layout)
    has_recompute = any(phase == RECOMPUTE for phase, _, _ in spent)
    computing: dict[Place, float] = {}
    moving: dict[Place, float] = {}
    for place in dict.fromkeys((phase, inside) for phase, inside, _ in spent):
        old = sum(time for key, time in spent.items() if key[:2] == place)
        new = sum(time for key, time in wanted.items() if key[:2] == place) * crowding
        old_ns = total_ns(machine.transfers, old_calls.get(place, []))
        new_ns = total_ns(machine.transfers, new_calls.get(place, []), crowding)
        if place == (BACKWARD, True) and not has_recompute:
            again = (RECOMPUTE, True)
            new += sum(time for key, time in wanted.items() if key[:2] == again) * crowding
            new_ns += total_ns(machine.transfers, new_calls.get(again, []), crowding)
        if old_ns > 0:
            moving[place] = new_ns / old_ns
        else:
            new += new_ns
        computing[place] = new / old if old else 1.0
    return computing, moving


def _new_work(machine: Machine, layout: Layout) -> Spent:
    """Computing time of a rank and step under the layout, without crowding."""
    model = machine.model
    before, after = shares_of(machine.layout, model), shares_of(layout, model)
    work: Spent = {}
    kept = (layout.recompute, layout.recompute_layers)
    repeats = kept == (machine.layout.recompute, machine.layout.recompute_layers)
    for (phase, inside, kind), time in machine.work.items():
        if phase != RECOMPUTE or repeats:
            ratio = _ratio(phase, kind, before, after)
            if kind == Work.PRODUCTS and phase in PASSES:  # of core attention each rank has fewer heads
                ratio = _of_other_shapes(machine, ratio)
            work[phase, inside, kind] = round(time * ratio)
    if repeats:
        return work
    for key, time in list(work.items()):
        again = _again(layout, model, key)
        if again:
            work[RECOMPUTE, True, key[2]] = round(time * again)
    return work


def _ratio(phase: str | None, kind: Work, before: Shares, after: Shares) -> float:
    if phase == Phase.OPTIMIZER:
        return after.parameters / before.parameters
    if phase not in PASSES:
        return 1.0
    return after.by_class[kind] / before.by_class[kind]


def _unknown(machine: Machine, layout: Layout, crowding: float) -> Unknown:
    """What of the layout's step the run did not show."""
    transfers = machine.transfers
    sizes = {ranks for _, _, ranks in transfers.medians_ns}
    other_kinds = other_sizes = known = 0.0
    for calls in calls_of(layout, machine.model).values():
        for kind, payload, ranks, count in calls:
            time = count * transfers.time_ns(kind, payload, ranks, crowding)
            if not transfers.is_measured(kind, payload):
                other_kinds += time
            elif ranks not in sizes:
                other_sizes += time
            else:
                known += time
    rescaled = 0.0
    if layout.tp != machine.layout.tp:
        work = _new_work(machine, layout)
        rescaled = sum(time for key, time in work.items() if key[2] == Work.PRODUCTS) * crowding
    return Unknown(other_kinds, other_sizes, known, rescaled, crowding != 1.0)


def _operators_ratio(machine: Machine, layout: Layout) -> float:
    """Operators of a step over those of the recorded one: what is recomputed runs again, each is profiled."""
    counts = {key: count for key, count in machine.counts.items() if key[0] != RECOMPUTE}
    old, new = (
        sum(count * (1 + _again(one, machine.model, key)) for key, count in counts.items())
        for one in (machine.layout, layout)
    )
    return new / old if old else 1.0


def _again(layout: Layout, model: ModelShape, key: tuple[str | None, bool, Work]) -> float:
    """Which part of the work of a cell runs again in backward."""
    phase, inside, kind = key
    if phase != FORWARD or not inside:
        return 0.0
    if layout.recompute == "selective":
        return float(kind in (Work.CORE, Work.SCORES))
    return recomputed_share(layout, model)


def _mean_of(ranks: Sequence[Spent], steps: int) -> Spent:
    total: Counter[tuple[str | None, bool, Work]] = Counter()
    for spent in ranks:
        total.update(spent)
    return {key: round(one / len(ranks) / steps) for key, one in total.items()}


def _of_other_shapes(machine: Machine, share: float) -> float:
    """Time of products of a share of their operations over their time, small ones being less efficient."""
    total = sum(one.time_ns for one in machine.products)
    if not total:
        return share
    return sum(one.time_ns * machine.speed.ratio(one.flops, share) for one in machine.products) / total


def _recorded_as(layout: Layout, model: ModelShape) -> str:
    """The command that records the layout, sizes left out."""
    words = [f"commscope record {model.family}", f"--tp {layout.tp}"]
    words += ["--sp"] * (layout.sp and not layout.sp_keep_gathered)
    words += ["--sp-keep-gathered"] * layout.sp_keep_gathered
    words += [f"--recompute {layout.recompute}"] * (layout.recompute != "none")
    return " ".join(words)
