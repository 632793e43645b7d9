"""What a rank's trace lacks.

Takes a trace and its analysis, gives gaps in words and the numbers the doctor shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from commscope.analysis.attribution import PHASES, Attribution, Busy
from commscope.analysis.names import where_match
from commscope.readers.names.phases import GRAPH_LAUNCH
from commscope.schema import COMMUNICATION_ONLY, SERVING_PHASES, EventKind, Evidence, Phase, Source
from commscope.trace import Gap, Int64, RankTrace

_OF_DEVICES = frozenset({"nccl", "rccl", "hccl", "xccl", "mccl", "cncl"})  # backends that need one
_METADATA = (str(Evidence.KERNEL_METADATA), str(Evidence.LAUNCH_METADATA), str(Evidence.RANGE))


def device_is_missing(trace: RankTrace) -> bool:
    """Whether the rank ran on a device whose events were not recorded: nothing of its time can be told."""
    events = trace.events
    if events.on_device().any():
        return False
    on_gpu = any(name.startswith(("nccl:", "rccl:")) for name in events.names)
    return trace.backend in _OF_DEVICES or on_gpu or bool(events.is_kind(EventKind.RUNTIME).any())


def partition_is_told(trace: RankTrace) -> bool:
    """Whether the trace says what was busy; communication alone, or calls alone, do not."""
    return trace.source not in COMMUNICATION_ONLY and not device_is_missing(trace)


def coverage_of(
    trace: RankTrace, attribution: Attribution, instances: pd.DataFrame, launches: Int64
) -> dict[str, float | int | None]:
    """Counts and shares; a share is None where there is nothing to share."""
    events = trace.events
    kernels = events.is_kind(EventKind.KERNEL)
    length = (instances["end_ns"] - instances["start_ns"]).mask(instances["is_call_only"], 0)
    duration = length.to_numpy(np.int64)
    told = instances["evidence"].isin(_METADATA).to_numpy(bool)
    evidence = instances["evidence"].value_counts()
    return {
        "events": len(events),
        "device_events": int(events.on_device().sum()),
        "kernels": int(kernels.sum()),
        "kernels_launched_share": _share(int((kernels & (launches >= 0)).sum()), int(kernels.sum())),
        "collectives": len(instances),
        "collectives_metadata_share": _share(int(told.sum()), len(instances)),
        "collectives_metadata_time_share": _share(int(duration[told].sum()), int(duration.sum())),
        "collectives_sized_share": _share(int(instances["payload_bytes"].notna().sum()), len(instances)),
        "collectives_grouped_share": _share(int(instances["group"].notna().sum()), len(instances)),
        "steps": len(attribution.windows),
        **{f"evidence_{kind}": int(evidence.get(str(kind), 0)) for kind in Evidence},
    }


def gaps_of(
    trace: RankTrace, attribution: Attribution, instances: pd.DataFrame, launches: Int64
) -> tuple[Gap, ...]:
    """The gaps of the trace itself, and what analysis could not tell."""
    rank = (trace.rank,)
    of_all = (
        _no_metadata(instances, rank),
        _unsized(trace, attribution, instances, rank),
        _unknown_kind(instances, rank),
    )
    if trace.source in COMMUNICATION_ONLY:
        return (*trace.gaps, *(gap for gap in of_all if gap is not None))
    found = [
        _no_device(trace, rank),
        _no_phases(trace, attribution, rank),
        _forward_only(trace, attribution, rank),
        _unlaunched(trace, launches, rank),
        *of_all,
        _no_steps(trace, attribution, rank),
        _graphs(trace, rank),
        _graph_phases(trace, attribution, launches, rank),
        _untimed(instances, rank),
        _host_is_device(trace, rank),
    ]
    return (*trace.gaps, *(_fitting(gap, trace.source) for gap in found if gap is not None))


def _fitting(gap: Gap, source: Source) -> Gap:
    """Advice on torch.profiler helps only those who recorded with it."""
    return replace(gap, hint="") if source in (Source.ASCEND, Source.XLA) else gap


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _no_device(trace: RankTrace, rank: tuple[int, ...]) -> Gap | None:
    if not device_is_missing(trace):
        return None
    return Gap(
        "no_device_events",
        "the device's events were not recorded, only the host's",
        rank,
        cost="no breakdown, no communication time, no waits for this rank",
        hint="profile with ProfilerActivity.CUDA as well as CPU",
    )


def _no_phases(trace: RankTrace, attribution: Attribution, rank: tuple[int, ...]) -> Gap | None:
    if not len(trace.events) or (attribution.phase >= 0).any():
        return None
    return Gap(
        "no_phases",
        "no host operators and no ranges: forward, backward and the rest cannot be told apart",
        rank,
        cost="compute and communication are not split by phase",
        hint="profile with ProfilerActivity.CPU as well, or mark phases with ranges",
    )


def _forward_only(trace: RankTrace, attribution: Attribution, rank: tuple[int, ...]) -> Gap | None:
    codes = {PHASES[code] for code in np.unique(attribution.phase) if code >= 0}
    works = (attribution.busy == Busy.COMPUTE) | (attribution.busy == Busy.COMMUNICATION)
    if not works.any() or (attribution.phase[works] < 0).any() or trace.read_counts.get("truncated"):
        return None
    if not codes or codes & {Phase.BACKWARD, Phase.OPTIMIZER, *SERVING_PHASES}:
        return None
    return Gap(
        "no_backward", "backward is not present in this capture: it holds forward only", rank, serious=False
    )


def _unlaunched(trace: RankTrace, launches: Int64, rank: tuple[int, ...]) -> Gap | None:
    kernels = trace.events.is_kind(EventKind.KERNEL)
    lost = int((kernels & (launches < 0)).sum())
    if not lost:
        return None
    return Gap(
        "launches_missing",
        f"{lost} of {int(kernels.sum())} kernels have no launch record",
        rank,
        serious=lost * 20 > int(kernels.sum()),
        cost="their phase is unknown and idle before them cannot be called host-bound",
    )


def _no_metadata(instances: pd.DataFrame, rank: tuple[int, ...]) -> Gap | None:
    if not len(instances) or instances["evidence"].isin(_METADATA).any():
        return None
    return Gap(
        "no_collective_metadata",
        "no collective carries metadata: kinds and sizes come from operators, ranges and names",
        rank,
        serious=False,
        cost="groups and sequence numbers are unknown: ranks match by their sequence of kinds and sizes",
        hint=_how_to_tell(instances),
    )


def _how_to_tell(instances: pd.DataFrame) -> str:
    """Only torch's own backends write metadata; kernels of other libraries never carry any."""
    names = instances["name"].str.lower()
    hints = {
        "nccl|rccl": "torch 2.4 or newer records it on NCCL",
        "^gloo:": "commscope record marks it on gloo",
    }
    return "; ".join(hint for pattern, hint in hints.items() if names.str.contains(pattern).any())


_HOW_TO_SIZE = {Source.NSYS: "nsys profile --trace cuda,nvtx takes sizes where NCCL says them"}


def _unsized(
    trace: RankTrace, attribution: Attribution, instances: pd.DataFrame, rank: tuple[int, ...]
) -> Gap | None:
    lost = int(instances["payload_bytes"].isna().sum())
    if not lost:
        return None
    return Gap(
        "sizes_missing",
        f"{lost} of {len(instances)} collectives have no size",
        rank,
        cost="payload and wire bytes are incomplete",
        hint=_HOW_TO_SIZE.get(trace.source, "") or _how_to_size(trace, attribution, instances),
    )


def _how_to_size(trace: RankTrace, attribution: Attribution, instances: pd.DataFrame) -> str:
    """Shapes help where an operator issued what has no size, which a graph's launch is not, and none shows
    any.
    """
    issues = attribution.issue_rows[instances["payload_bytes"].isna().to_numpy(dtype=bool)]
    has_call = bool((trace.events.kind[issues[issues >= 0]] == EventKind.OP).any())
    has_shapes = any(facts.shapes for facts in trace.events.comms)
    return "profile with record_shapes=True" if has_call and not has_shapes else ""


def _unknown_kind(instances: pd.DataFrame, rank: tuple[int, ...]) -> Gap | None:
    lost = int(instances["collective"].isin(["unknown", "send_recv"]).sum())
    if not lost:
        return None
    return Gap(
        "kinds_missing",
        f"{lost} of {len(instances)} collectives do not say which kind they are",
        rank,
        serious=False,
    )


def _no_steps(trace: RankTrace, attribution: Attribution, rank: tuple[int, ...]) -> Gap | None:
    if attribution.windows or not len(trace.events):
        return None
    return Gap(
        "no_steps",
        "no step is marked: only the whole capture is analyzed",
        rank,
        serious=False,
        cost="numbers are per capture, not per step",
        hint="call profiler.step() once a step",
    )


def _graphs(trace: RankTrace, rank: tuple[int, ...]) -> Gap | None:
    graphs = int(trace.events.is_kind(EventKind.GRAPH).sum())
    if not graphs:
        return None
    return Gap(
        "cuda_graphs",
        f"{graphs} CUDA graph launches were recorded as a whole",
        rank,
        cost="communication inside a graph counts as compute",
        hint="nsys profile --cuda-graph-trace=node",
    )


def _graph_phases(
    trace: RankTrace, attribution: Attribution, launches: Int64, rank: tuple[int, ...]
) -> Gap | None:
    events = trace.events
    launched = np.flatnonzero(events.is_kind(EventKind.KERNEL) & (launches >= 0) & (attribution.phase < 0))
    hidden = int(where_match(events, GRAPH_LAUNCH)[launches[launched]].sum())
    if not hidden:
        return None
    return Gap(
        "graph_phases",
        f"{hidden} kernels ran in CUDA graphs, which do not say the phases of their kernels",
        rank,
        serious=False,
        cost="their phase cannot be told",
        hint="capture each phase as a graph of its own, or mark it with a range",
    )


def _untimed(instances: pd.DataFrame, rank: tuple[int, ...]) -> Gap | None:
    lost = int(instances["is_call_only"].sum())
    if not lost:
        return None
    return Gap(
        "times_missing",
        f"{lost} of {len(instances)} collectives are known by their calls alone",
        rank,
        cost="their times were not captured",
        hint="profile the device as well as the CPU",
    )


def _host_is_device(trace: RankTrace, rank: tuple[int, ...]) -> Gap | None:
    if not len(trace.events) or device_is_missing(trace) or trace.events.on_device().any():
        return None
    return Gap(
        "host_is_device",
        "no device: the host computes and communicates itself, so idle cannot be told from host-bound",
        rank,
        serious=False,
    )
