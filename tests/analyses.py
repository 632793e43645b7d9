"""Analyses made by hand: a small consistent run whose every number follows from its Recipe.

    make_analysis()                                          a GPT of 2 layers under TP=2, 3 steps, on gloo
    make_analysis(name="sp2", layout=Layout(tp=2, sp=True))  the same model under Megatron's SP
    make_analysis(late_ns={1: 5_000})                        rank 1 comes 5 us late to every collective
    make_analysis(calls=(Call("all_reduce", 4096, phase="forward"),))   these collectives and no others

In each step a rank computes `compute_ns / (n + 1)`, communicates, computes, ... over n collectives. A rank
that is late computes that much longer before each one. A collective takes `latency_ns + payload / gb_per_s`
from its last arrival and ends on all ranks at once. `pace` scales the compute of each step: (1.0, 1.1) makes
the second 10 % longer. `overlapped` of each transfer has compute beside it (0.25: a quarter of it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from commscope.analysis.result import (
    Analysis,
    Clock,
    CriticalPath,
    Matching,
    PathPart,
    RankBreakdown,
    Stall,
    Window,
)
from commscope.schema import (
    CAPTURE,
    DTYPE_BYTES,
    INSTANCE_COLUMNS,
    MATCH_COLUMNS,
    Phase,
    Source,
    ring_wire_bytes,
)
from commscope.theory.volume import VolumeRow, step_volume
from commscope.trace import Gap, Layout, ModelShape, ProcessGroup, RankMemory, RunInfo, StepTime

TINY_GPT = ModelShape("gpt", 2, 128, 512, 4, 4, 256, 64, 2)
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """`count` collectives of one kind that every rank issues in every step."""

    collective: str
    payload_bytes: int
    phase: str | None = "forward"
    role: str | None = "tp"
    count: int = 1
    group: str = "tp"
    dtype: str = "float32"
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a made run is like."""

    name: str = "tp2"
    layout: Layout | None = field(default_factory=lambda: Layout(tp=2))
    model: ModelShape | None = TINY_GPT
    ranks: int = 2
    steps: int = 3
    calls: tuple[Call, ...] | None = None  # None: those of the closed form
    compute_ns: int = 1_000_000
    latency_ns: int = 2_000
    gb_per_s: float = 10.0
    late_ns: dict[int, int] = field(default_factory=dict)
    pace: tuple[float, ...] = (1.0,)
    overlapped: float = 0.0
    backend: str = "gloo"
    versions: dict[str, str] = field(default_factory=lambda: {"torch": "2.13.0"})
    devices: tuple[str, ...] = ()
    peak_bytes: int | None = 50_000_000
    marked_steps: bool = True
    step_times: bool = True
    overhead: float = 1.0  # profiled / unprofiled step time
    missing_ranks: tuple[int, ...] = ()
    sent_bytes: dict[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    host: dict[str, Any] = field(default_factory=dict)
    operators: dict[Phase, int] | None = field(
        default_factory=lambda: {Phase.FORWARD: 10, Phase.BACKWARD: 20, Phase.OPTIMIZER: 5}
    )  # of a step
    flops: dict[Phase, int] | None = field(default_factory=lambda: {Phase.FORWARD: 1, Phase.BACKWARD: 2})


def make_analysis(recipe: Recipe | None = None, **changes: Any) -> Analysis:
    """The Analysis of a recipe, some of whose fields may be changed in place."""
    recipe = replace(recipe or Recipe(), **changes)
    rows, windows = _timeline(recipe)
    ranks = tuple(rank for rank in range(recipe.ranks) if rank not in recipe.missing_ranks)
    rows = [row for row in rows if row["rank"] in ranks]
    dtypes = {**INSTANCE_COLUMNS, **MATCH_COLUMNS}
    columns = {
        name: pd.Series([row.get(name) for row in rows], dtype=dtype) for name, dtype in dtypes.items()
    }
    distinct = len({row["instance"] for row in rows})
    memory = () if recipe.peak_bytes is None else [RankMemory(r, "tensors", recipe.peak_bytes) for r in ranks]
    return Analysis(
        run=_run(recipe, windows),
        ranks=ranks,
        missing_ranks=recipe.missing_ranks,
        gaps=recipe.gaps,
        windows=windows,
        rank_windows=dict.fromkeys(ranks, windows),
        breakdown=tuple(_breakdown(recipe, rows, window, rank) for window in windows for rank in ranks),
        instances=pd.DataFrame(columns),
        matching=Matching(distinct, distinct, 0, 0, "group_seq"),
        clock=Clock(dict.fromkeys(ranks, 0), 0, dict.fromkeys(ranks, (0, 0))),
        stalls=tuple(stall for window in windows for stall in _stalls(rows, window.name)),
        critical_paths=tuple(_path(rows, window) for window in windows),
        memory=tuple(memory),
    )


def calls_of(rows: Iterable[VolumeRow]) -> tuple[Call, ...]:
    """Rows of a closed form as calls, in their order."""
    return tuple(
        Call(row.collective, row.payload_bytes, row.phase, row.role, row.count, row.group, row.dtype)
        for row in rows
    )


def _calls(recipe: Recipe) -> list[Call]:
    calls = recipe.calls
    if calls is None:
        calls = calls_of(step_volume(recipe.layout, recipe.model)) if recipe.layout and recipe.model else ()
    return [replace(call, count=1) for call in calls for _ in range(call.count)]


def _timeline(recipe: Recipe) -> tuple[Rows, tuple[Window, ...]]:
    rows: Rows = []
    steps: list[Window] = []
    now = 0
    for step in range(recipe.steps):
        start, name = now, f"step {step}" if recipe.marked_steps else CAPTURE
        calls = _calls(recipe)
        piece = round(recipe.compute_ns * recipe.pace[step % len(recipe.pace)] / (len(calls) + 1))
        for call in calls:
            arrivals = {rank: now + piece + recipe.late_ns.get(rank, 0) for rank in range(recipe.ranks)}
            last = max(arrivals.values())
            end = last + recipe.latency_ns + round(call.payload_bytes / recipe.gb_per_s)
            rows += [_instance(recipe, call, (name, arrivals, end), rank, len(rows)) for rank in arrivals]
            now = end
        now += piece
        steps.append(Window(name, start, now, step))
    capture = Window(CAPTURE, 0, now)
    return rows, (capture, *steps) if recipe.marked_steps else (capture,)


def _instance(
    recipe: Recipe, call: Call, when: tuple[str, dict[int, int], int], rank: int, first_row: int
) -> dict[str, Any]:
    window, arrivals, end = when
    last = max(arrivals.values())
    number = first_row // recipe.ranks
    latest = max(arrivals, key=lambda r: (arrivals[r], -r))
    return {
        "rank": rank, "index": number, "start_ns": arrivals[rank], "end_ns": end, "issue_ns": arrivals[rank],
        "collective": call.collective, "window": window, "phase": call.phase, "role": call.role,
        "layer": call.layer, "microbatch": 0, "group": call.group, "group_size": recipe.ranks,
        "group_ranks": tuple(range(recipe.ranks)), "seq": number + 1, "comms_id": None, "is_p2p": False, "is_call_only": False,
        "peer": None, "dtype": call.dtype, "elements": call.payload_bytes // DTYPE_BYTES[call.dtype],
        "payload_bytes": call.payload_bytes,
        "wire_bytes": ring_wire_bytes(call.collective, call.payload_bytes, recipe.ranks),
        "is_async": False, "evidence": "range", "stream": "worker 0", "name": f"gloo:{call.collective}",
        "instance": number, "lateness_ns": arrivals[rank] - min(arrivals.values()),
        "wait_ns": last - arrivals[rank], "transfer_ns": end - last, "culprit": None if latest == rank else latest,
        "members": recipe.ranks, "members_present": recipe.ranks, "least_wait_ns": last - arrivals[rank],
        "most_wait_ns": last - arrivals[rank],
    }  # fmt: skip


def _breakdown(recipe: Recipe, rows: Rows, window: Window, rank: int) -> RankBreakdown:
    own = [row for row in _within(rows, window.name) if row["rank"] == rank]
    wait, transfer = (sum(row[part] for row in own) for part in ("wait_ns", "transfer_ns"))
    overlapped = round(recipe.overlapped * transfer)
    compute = window.span_ns - wait - transfer + overlapped
    shares = dict.fromkeys((Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER), compute // 4)
    return RankBreakdown(
        rank=rank,
        window=window.name,
        span_ns=window.span_ns,
        compute_ns=compute,
        communication_ns=wait + transfer,
        overlapped_ns=overlapped,
        exposed_ns=wait + transfer - overlapped,
        copy_ns=0,
        idle_ns=0,
        host_bound_ns=0,
        exposed_wait_ns=wait,
        exposed_unknown_ns=0,
        exposed_transfer_ns=transfer - overlapped,
        compute_by_phase_ns={
            **dict.fromkeys(Phase, 0),
            **shares,
            Phase.OTHER: compute - sum(shares.values()),
        },
        exposed_by_kind_ns=_exposed_by_kind(recipe, own),
        operators_by_phase=recipe.operators,
        flops_by_phase=recipe.flops,
    )


def _exposed_by_kind(recipe: Recipe, rows: Rows) -> dict[str, int]:
    exposed: Counter[str] = Counter()
    for row in rows:
        shown = row["wait_ns"] + row["transfer_ns"] - round(recipe.overlapped * row["transfer_ns"])
        exposed[f"{row['collective']}/{row['phase'] or 'unattributed'}"] += shown
    return {kind: time_ns for kind, time_ns in exposed.items() if time_ns}


def _within(rows: Rows, window: str) -> Rows:
    return rows if window == CAPTURE else [row for row in rows if row["window"] == window]


def _stalls(rows: Rows, window: str) -> list[Stall]:
    sums: Counter[tuple[int, int]] = Counter()
    for row in _within(rows, window):
        if row["culprit"] is not None:
            sums[row["rank"], row["culprit"]] += row["wait_ns"]
    return [Stall(window, v, c, ns, {"compute": ns}) for (v, c), ns in sorted(sums.items()) if ns > 0]


def _last(rows: Rows, instance: int) -> int:
    """The rank that came last to an instance."""
    alike = [row for row in rows if row["instance"] == instance]
    return next(row["rank"] for row in alike if row["culprit"] is None)


def _path(rows: Rows, window: Window) -> CriticalPath:
    instances = {row["instance"]: row for row in _within(rows, window.name)}
    parts: list[PathPart] = []
    now, rank = window.start_ns, 0
    for number, row in sorted(instances.items()):
        rank, arrival = _last(rows, number), row["end_ns"] - row["transfer_ns"]
        parts.append(PathPart(now, arrival, rank, "compute", row["phase"]))
        now = row["end_ns"]
        parts.append(
            PathPart(arrival, now, rank, "transfer", row["phase"], row["collective"], instance=number)
        )
    parts.append(PathPart(now, window.end_ns, rank, "compute"))
    blocking = sum(part.end_ns - part.start_ns for part in parts if part.kind == "transfer")
    return CriticalPath(
        window=window.name,
        length_ns=window.span_ns,
        parts=tuple(parts),
        by_kind_ns=_sums(parts, "kind"),
        by_rank_ns=_sums(parts, "rank"),
        by_phase_ns=_sums(parts, "phase"),
        by_collective_ns=_sums([part for part in parts if part.collective], "collective"),
        hand_offs=sum(a.rank != b.rank for a, b in pairwise(parts)),
        blocking_ns=blocking,
    )


def _sums(parts: list[PathPart], key: str) -> dict[Any, int]:
    sums: dict[Any, int] = {}
    for part in parts:
        value = getattr(part, key) or (0 if key == "rank" else "other")
        sums[value] = sums.get(value, 0) + part.end_ns - part.start_ns
    return sums


def _run(recipe: Recipe, windows: tuple[Window, ...]) -> RunInfo:
    steps = [window for window in windows if window.step is not None] if recipe.step_times else []
    ranks = range(recipe.ranks)
    times = [
        StepTime(rank, window.step or 0, round(window.span_ns / factor), profiled)
        for profiled, factor in ((True, 1.0), (False, recipe.overhead))
        for window in steps
        for rank in ranks
    ]
    return RunInfo(
        name=recipe.name,
        path=Path("runs") / recipe.name,
        source=Source.KINETO,
        backend=recipe.backend,
        world_size=recipe.ranks,
        layout=recipe.layout,
        model=recipe.model,
        groups=(ProcessGroup("tp", "tp", tuple(ranks), recipe.backend),),
        versions=recipe.versions,
        host=recipe.host,
        devices=recipe.devices,
        workload="gpt",
        complete=True,
        step_times=tuple(times),
        sent_bytes=recipe.sent_bytes,
    )
