"""One rank analyzed alone.

Takes RankTrace, gives RankAnalysis; pure, so it can be mapped over ranks anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from commscope.analysis import intervals as iv
from commscope.analysis.activities import activities_of, kernels_of
from commscope.analysis.attribution import PHASES, Attribution, Busy
from commscope.analysis.breakdown import (
    Owned,
    breakdown_of,
    host_bound_time,
    with_exposed_kinds,
    with_flops,
    with_operators,
)
from commscope.analysis.breakdown import host_timeline as host
from commscope.analysis.collectives import (
    Instances,
    Placing,
    instance_sources,
    instance_table,
    ordered_instances,
    with_calls,
)
from commscope.analysis.coverage import coverage_of, gaps_of, partition_is_told
from commscope.analysis.events import (
    NONE,
    capture_window,
    extend_last,
    launch_rows,
    layers_of,
    marked_by_profiler,
    microbatches_of,
    phases_of,
    step_windows,
    steps_run,
    window_of,
)
from commscope.analysis.memory import peak_memory
from commscope.analysis.result import Intervals, RankAnalysis, RankBreakdown, Window
from commscope.analysis.skeleton import build_skeleton
from commscope.schema import EventKind, Phase
from commscope.trace import Events, Int32, Int64, RankTrace


def analyze_rank(trace: RankTrace) -> RankAnalysis:
    """Everything one rank's trace says by itself; an event that ends before it starts takes no time."""
    trace = _forward_in_time(trace)
    parts = _Parts.of(trace)
    attribution, instances = parts.attribution, parts.table
    windows = (_capture(trace, attribution), *attribution.windows)
    is_told = partition_is_told(trace)
    host_bound = _host_bound(trace, parts, windows) if is_told else None
    exposed = iv.difference(attribution.communication, attribution.compute)
    breakdown = _breakdown(trace, parts, windows, host_bound)
    breakdown = with_operators(breakdown, trace.events, attribution, windows)
    breakdown = with_flops(breakdown, trace.events, attribution, windows, parts.launches)
    return RankAnalysis(
        rank=trace.rank,
        host=trace.host,
        backend=trace.backend,
        world_size=trace.world_size,
        source=str(trace.source),
        groups=trace.groups,
        windows=windows,
        breakdown=with_exposed_kinds(breakdown, instances, exposed, windows),
        instances=instances,
        exposed=exposed,
        compute=attribution.compute,
        skeleton=build_skeleton(trace, attribution, instances, windows) if is_told else None,
        memory=peak_memory(trace, attribution.phase),
        versions=trace.versions,
        devices=trace.devices,
        gaps=gaps_of(trace, attribution, instances, parts.launches),
        coverage=coverage_of(trace, attribution, instances, parts.launches),
        recompute=_recompute(trace.events, attribution),
        host_bound=host_bound,
        activities=activities_of(trace, attribution, instances, windows, host_bound) if is_told else None,
        kernels=kernels_of(trace.events, attribution, parts.launches),
    )


def attribute(trace: RankTrace) -> tuple[Attribution, pd.DataFrame]:
    """What each event of a rank is part of, and the table of its collective instances."""
    parts = _Parts.of(_forward_in_time(trace))
    return parts.attribution, parts.table


def _forward_in_time(trace: RankTrace) -> RankTrace:
    events = trace.events
    if (events.end_ns >= events.start_ns).all():
        return trace
    return replace(trace, events=replace(events, end_ns=np.maximum(events.start_ns, events.end_ns)))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What both entries need."""

    attribution: Attribution
    table: pd.DataFrame
    launches: Int64

    @staticmethod
    def of(trace: RankTrace) -> _Parts:
        events = trace.events
        launches = launch_rows(events)
        sources = with_calls(events, instance_sources(trace, launches))
        instances = ordered_instances(trace, sources)
        for one in instances.sources:
            for row in one.work:
                launches[row] = launches[row] if launches[row] >= 0 else one.launch
        marked = step_windows(events, cut_short=bool(trace.read_counts.get("truncated")))
        windows = steps_run(marked, _work_issued_ns(events, launches, instances))
        placing = Placing(
            phases_of(events, launches, windows),
            layers_of(events, launches),
            microbatches_of(events, launches),
            _windows_of_rows(events, launches, windows),
            windows,
        )
        table = instance_table(trace, instances, placing)
        return _Parts(
            _attribution(trace, instances, placing, followed=len(windows) < len(marked)), table, launches
        )


def _work_issued_ns(events: Events, launches: Int64, instances: Instances) -> Int64:
    """When each piece of work was issued: kernels, else what the host computed, and all communication."""
    computing = np.flatnonzero(events.is_kind(EventKind.KERNEL, EventKind.GRAPH))
    if not len(computing):
        computing = host.computing_rows(events)
    rows = np.union1d(computing, instances.work_rows)
    return np.where(launches[rows] >= 0, events.start_ns[launches[rows]], events.start_ns[rows])


def _windows_of_rows(events: Events, launches: Int64, windows: tuple[Window, ...]) -> Int32:
    """The step each event was issued in."""
    issued = np.where(launches >= 0, events.start_ns[launches], events.start_ns)
    return window_of(windows, issued)


def _attribution(trace: RankTrace, instances: Instances, placing: Placing, *, followed: bool) -> Attribution:
    """The last step goes on until its work has ended, unless the mark behind it bounds it as all others."""
    events = trace.events
    work = np.array([row for one in instances.sources if not one.is_call_only for row in one.work], np.int64)
    busy = _busy(trace, work)
    spans = {kind: np.flatnonzero(busy == kind) for kind in (Busy.COMPUTE, Busy.COMMUNICATION, Busy.COPY)}
    compute, communication, copy = (
        iv.union_of(events.start_ns[rows], events.end_ns[rows]) for rows in spans.values()
    )
    blocked = iv.EMPTY
    if not events.on_device().any():
        waits = host.waiting(events)
        compute = iv.difference(compute, waits)
        blocked = host.standing_still(events, communication, waits)
    in_last = placing.window == len(placing.windows) - 1
    ends = events.end_ns[in_last & (busy != Busy.NOT)]
    return Attribution(
        busy=busy,
        phase=placing.phase,
        layer=placing.layer,
        microbatch=placing.microbatch,
        window=placing.window,
        windows=extend_last(placing.windows, [int(ends.max())] if len(ends) and not followed else []),
        instance_rows=instances.work_rows,
        issue_rows=instances.issue_rows,
        compute=compute,
        communication=communication,
        copy=copy,
        blocked=blocked,
    )


def _busy(trace: RankTrace, work: Int64) -> np.ndarray:
    events = trace.events
    busy = np.zeros(len(events), np.uint8)
    if events.on_device().any():
        busy[events.is_kind(EventKind.KERNEL, EventKind.GRAPH)] = Busy.COMPUTE
        busy[events.is_kind(EventKind.MEMCPY, EventKind.MEMSET)] = Busy.COPY
    else:
        busy[host.computing_rows(events)] = Busy.COMPUTE
    busy[work] = Busy.COMMUNICATION
    return busy


def _capture(trace: RankTrace, attribution: Attribution) -> Window:
    """First to last device event; on CPU the step's threads and its collectives' work are the device."""
    events = trace.events
    rows = events.on_device()
    if not rows.any():
        rows = host.step_rows(events) & events.is_kind(EventKind.OP, EventKind.ANNOTATION)
        rows |= attribution.busy == Busy.COMMUNICATION
    steps = attribution.windows
    last_ns = None
    if steps and marked_by_profiler(events):
        of_last = (attribution.window == len(steps) - 1) & (attribution.busy != Busy.NOT)
        last_ns = max(steps[-1].end_ns, int(events.end_ns[of_last].max(initial=0)))
    return capture_window(events.start_ns[rows], events.end_ns[rows], last_ns)


def _recompute(events: Events, attribution: Attribution) -> Intervals:
    """Time in which something was computed again."""
    again = (attribution.busy == Busy.COMPUTE) & (attribution.phase == PHASES.index(Phase.RECOMPUTE))
    return iv.union_of(events.start_ns[again], events.end_ns[again])


def _breakdown(
    trace: RankTrace, parts: _Parts, windows: tuple[Window, ...], host_bound: Intervals | None
) -> tuple[RankBreakdown, ...]:
    attribution = parts.attribution
    if not partition_is_told(trace):
        return ()
    owned = Owned(trace.events, attribution, _present_phases(attribution))
    return tuple(breakdown_of(trace.rank, window, attribution, host_bound, owned) for window in windows)


def _host_bound(trace: RankTrace, parts: _Parts, windows: tuple[Window, ...]) -> Intervals | None:
    whole = Window("", min(one.start_ns for one in windows), max(one.end_ns for one in windows))
    one = parts.attribution
    busy = iv.union(one.compute, one.communication, one.copy)
    return host_bound_time(trace.events, parts.launches, busy, whole)


def _present_phases(attribution: Attribution) -> frozenset[Phase]:
    return frozenset(PHASES[code] for code in np.unique(attribution.phase) if code != NONE)
