"""What analysis gives: RankAnalysis (one rank, small, picklable) and Analysis (all ranks). Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.schema import Phase
from commscope.trace import Gap, Int64, ProcessGroup, RankMemory, RunInfo


@dataclass(frozen=True, slots=True)
class Intervals:
    """Disjoint, sorted, non-empty half-open intervals [start, end) in ns. Made by analysis.intervals only."""

    start_ns: Int64
    end_ns: Int64


@dataclass(frozen=True, slots=True)
class Window:
    """A span under study: `capture` (first to last device event) or `step N`."""

    name: str
    start_ns: int
    end_ns: int
    step: int | None = None

    @property
    def span_ns(self) -> int:
        """Length of the window."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class RankBreakdown:
    """One rank and window: span = compute + exposed + copy + host_bound + idle; overlap lies in compute.

    The parts of `exposed_ns` need the other ranks: None until `join`. After it exposed = wait + transfer +
    unknown, the first two None only where nothing is known. The `idle_ns` of the JSON is idle + host_bound.
    """

    rank: int
    window: str
    span_ns: int
    compute_ns: int
    communication_ns: int
    overlapped_ns: int
    exposed_ns: int
    copy_ns: int
    idle_ns: int
    host_bound_ns: int | None = None
    exposed_wait_ns: int | None = None
    exposed_transfer_ns: int | None = None
    compute_by_phase_ns: dict[Phase, int] | None = None
    compute_by_layer_ns: dict[int, int] | None = None
    exposed_by_kind_ns: dict[str, int] = field(default_factory=dict)  # collective/phase -> ns; absent: none
    operators_by_phase: dict[Phase, int] | None = (
        None  # outermost on the host; a phase without any is left out
    )
    exposed_unknown_ns: int | None = None
    flops_by_phase: dict[Phase, int] | None = None  # of products with their shapes; None: not all have them


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A rank reduced to the happens-before graph between its collectives: see analysis/skeleton.

    Nodes are points in time on the rank's own clock. Edges carry a duration that replays: for every node,
    time = max over its in-edges (time of source + weight), exactly.
    """

    rank: int
    time_ns: Int64  # node -> recorded time
    instance: npt.NDArray[np.int64]  # node -> index of the collective in the rank's instance table, -1
    is_end: npt.NDArray[np.bool_]  # node -> end (True) or start (False) of that instance
    edge_source: npt.NDArray[np.int32]
    edge_target: npt.NDArray[np.int32]
    edge_weight_ns: Int64
    edge_segment: npt.NDArray[np.int16]  # index into `segments`: what the edge's time was
    segments: tuple[
        tuple[str, str | None, int | None], ...
    ]  # (kind, phase, layer); kinds as in critical_path.by_kind_ns
    edge_stretch: Int64 = field(
        default_factory=lambda: np.empty(0, dtype=np.int64)
    )  # edge -> index of the collective it leads to; the number of collectives after the last one
    marks: tuple[tuple[str, int, int], ...] = ()  # (window name, node of its start, node of its end)


@dataclass(frozen=True, slots=True)
class Activity:
    """What took time on a rank, named as it was recorded. None: not told.

    `name` is a kernel, operator or runtime call; of time without one (`is_python`) the range it lay in, and
    `between` the operators before and behind it. `call` is the runtime call that took at least half of it.
    """

    kind: str  # compute | copy | host_bound | idle: of the device; host: of the threads that launch
    name: str | None = None
    phase: str | None = None
    layer: int | None = None
    is_python: bool = False
    between: tuple[str | None, str | None] | None = None
    call: str | None = None
    frame: str | None = field(default=None, compare=False)  # the innermost one, amid the longest piece


PhaseSpan = tuple[str, int, int]  # phase, start and end in ns
Spent = tuple[tuple[Activity, int], ...]  # activities and their time in ns, the longest first


@dataclass(frozen=True, slots=True)
class ActivitySums:
    """Time by activity in each cell, the longest first: rows `first[i]` to `first[i + 1]` are of cell i."""

    first: Int64
    activity: npt.NDArray[np.int32]  # index into Activities.names
    time_ns: Int64
    rest_ns: Int64  # of each cell: what the activities that are not kept took together


@dataclass(frozen=True, slots=True)
class IdleGap:
    """A time in which a rank's device did nothing, and what its host did in most of it."""

    rank: int
    start_ns: int
    end_ns: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class Activities:
    """What a rank did from one moment to the next: cell i lies between borders i and i + 1, own clock.

    Borders are the starts, ends and issues of collectives, and the windows'. Of each cell a few activities
    are kept, those that took longest; communication is none.
    """

    borders_ns: Int64
    device: ActivitySums
    host: ActivitySums  # the threads that launch, also while the device is busy
    names: tuple[Activity, ...]
    idle_gaps: tuple[IdleGap, ...] = ()  # the longest
    phases: tuple[PhaseSpan, ...] = ()  # of the device, one after another


@dataclass(frozen=True, slots=True)
class RankAnalysis:
    """One rank analyzed alone. Small: no per-event data."""

    rank: int
    host: str | None
    backend: str | None
    world_size: int | None
    source: str
    groups: tuple[ProcessGroup, ...]
    windows: tuple[Window, ...]  # capture first, then steps; own clock
    breakdown: tuple[RankBreakdown, ...]
    instances: pd.DataFrame  # schema.INSTANCE_COLUMNS
    exposed: Intervals  # communication while no compute runs, own clock
    compute: Intervals
    skeleton: Skeleton | None
    memory: RankMemory | None
    versions: dict[str, str]
    devices: tuple[str, ...]
    gaps: tuple[Gap, ...]
    coverage: dict[str, float | int | None] = field(default_factory=dict)  # facts the doctor reports
    recompute: Intervals | None = None  # the part of compute that recomputes, own clock
    host_bound: Intervals | None = None  # idle while the host was on its way to the next launch, own clock
    activities: Activities | None = None  # what it did between its collectives, by name
    kernels: pd.DataFrame = field(default_factory=pd.DataFrame)  # by name and shape, those that took longest


@dataclass(frozen=True, slots=True)
class Matching:
    """How instances were paired over the ranks: distinct instances, counted once."""

    instances: int
    matched: int
    unmatched: int
    refused: int
    method: str  # schema.Proof, or mixed | none
    by_proof: dict[str, int] = field(default_factory=dict)  # schema.Proof -> matched instances
    by_members: dict[str, int] = field(default_factory=dict)  # schema.MembersBy -> matched instances


@dataclass(frozen=True, slots=True)
class Clock:
    """Offsets to add to each rank's stamps to get the common clock, with hard bounds for each."""

    offsets_ns: dict[int, int]
    residual_ns: int
    bounds_ns: dict[int, tuple[int | None, int | None]]
    drift_ppm: dict[int, float] = field(default_factory=dict)
    feasible: bool = True
    drift_origin_ns: int = (
        0  # on the common clock: where the drift adds nothing; see analysis.clock.common_time
    )
    uncertainty_ns: dict[int, int | None] = field(default_factory=dict)  # of the offset; None: no limit


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of a stall: what the culprit spent longer on. `name` is None for what no record names."""

    kind: str  # a key of Stall.causes_ns
    phase: str | None
    layer: int | None
    name: str | None
    time_ns: int


@dataclass(frozen=True, slots=True)
class LongerSpent:
    """An activity that a late rank spent longer on than the rank that waited, since they last met."""

    activity: Activity
    time_ns: int  # on the late rank
    more_ns: int  # than on the other, at least


@dataclass(frozen=True, slots=True)
class LateArrival:
    """A collective that others waited for one rank in; of its victims the one that waited longest."""

    window: str
    instance: int
    collective: str
    phase: str | None
    layer: int | None
    place: int  # which of its kind in the window on the culprit, from 1 ...
    places: int  # ... and of how many
    culprit: int
    victim: int
    wait_ns: int
    victims: int
    total_wait_ns: int
    arrival_ns: int  # of the culprit, on the common clock
    since_ns: int  # from when the culprit's time is compared: they last met, or both are recorded
    causes_ns: Mapping[str, int]  # sums to wait_ns
    spent: tuple[LongerSpent, ...]  # the most first; empty: nothing recorded names it
    is_first: bool  # they had not met before


@dataclass(frozen=True, slots=True)
class Stall:
    """Victim waited for culprit, summed over the instances of a window."""

    window: str
    victim: int
    culprit: int
    wait_ns: int
    causes_ns: Mapping[str, int] = field(default_factory=dict)  # sums to wait_ns; empty: not told
    causes: tuple[Cause, ...] = ()  # the same by name, sums to wait_ns too; the longest first

    @property
    def cause(self) -> str | None:
        """What the culprit did longer than the victim since they last met, the largest part."""
        return max(self.causes_ns, key=self.causes_ns.__getitem__, default=None)

    @property
    def propagated_ns(self) -> int | None:
        """The part for which the culprit was itself made late by another rank."""
        return self.causes_ns.get("wait", 0) if self.causes_ns else None


@dataclass(frozen=True, slots=True)
class PathPart:
    """A piece of the critical path, on the common clock."""

    start_ns: int
    end_ns: int
    rank: int
    kind: str  # compute | transfer | communication (wait not told apart) | copy | host | idle | latency
    phase: str | None = None
    collective: str | None = None
    layer: int | None = None
    instance: int | None = None
    spent: Spent = ()  # activities in it; only the longest parts are named


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The path of one window: parts without a gap, as long as the window."""

    window: str
    length_ns: int
    parts: tuple[PathPart, ...]
    by_kind_ns: dict[str, int]
    by_rank_ns: dict[int, int]
    by_phase_ns: dict[str, int]
    by_collective_ns: dict[str, int]
    hand_offs: int
    blocking_ns: int  # communication on the path
    slack_ns: dict[int, int] = field(default_factory=dict)  # matched instance -> slack
    spent: tuple[
        tuple[int, Activity, int], ...
    ] = ()  # rank, activity and its time on the path, longest first


@dataclass(frozen=True, slots=True)
class Analysis:
    """All ranks joined. Times on the common clock."""

    run: RunInfo
    ranks: tuple[int, ...]
    missing_ranks: tuple[int, ...]
    gaps: tuple[Gap, ...]
    windows: tuple[Window, ...]  # over all ranks: earliest start, latest end; capture first
    rank_windows: dict[int, tuple[Window, ...]]
    breakdown: tuple[RankBreakdown, ...]
    instances: pd.DataFrame  # INSTANCE_COLUMNS + MATCH_COLUMNS, all ranks
    matching: Matching
    clock: Clock | None
    stalls: tuple[Stall, ...]
    critical_paths: tuple[CriticalPath, ...]
    memory: tuple[RankMemory, ...]
    skeletons: tuple[Skeleton, ...] = ()
    coverage: dict[int, dict[str, float | int | None]] = field(default_factory=dict)
    compute: dict[int, Intervals] = field(default_factory=dict)  # rank -> when it computes, common clock
    late_arrivals: tuple[LateArrival, ...] = ()  # the largest waits of each window, largest first
    idle_gaps: tuple[IdleGap, ...] = ()  # the longest of each rank, common clock
    phases: dict[int, tuple[PhaseSpan, ...]] = field(default_factory=dict)  # of each rank, common clock
    kernels: pd.DataFrame = field(default_factory=pd.DataFrame)  # of each rank by name and shape
