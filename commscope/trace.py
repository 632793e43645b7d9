"""What readers give and analysis takes: Run, RunInfo, Layout, ProcessGroup, Events, RankTrace. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from commscope.schema import DEVICE_KINDS, NO_VALUE, EventKind, Source

# What is said of a trace that lost something on its way: its numbers may be too small.
DAMAGE = (
    "truncated",
    "corrupt",
    "too_large",
    "bad_events",
    "bad_metadata",
    "bad_manifest",
    "changed_manifest",
    "incomplete_run",
)
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something a trace does not say, and for which ranks; `cost` is what the answer loses by it."""

    code: str
    message: str
    ranks: tuple[int, ...] = ()
    serious: bool = True
    cost: str = ""
    hint: str = ""

    @property
    def is_damage(self) -> bool:
        """Whether something was recorded and is lost."""
        return self.code in DAMAGE


@dataclass(frozen=True, slots=True)
class Layout:
    """How one model is spread over the ranks. Absent facts keep the defaults of a plain program."""

    tp: int = 1
    sp: bool = False
    dp: int = 1
    pp: int = 1
    cp: int = 1
    ep: int = 1
    recompute: str = "none"  # none | full | full-nonreentrant | full-no-early-stop | selective
    recompute_layers: int | None = None  # only the first N layers; None = all
    distribute_saved: bool = False  # Megatron's distributed saved activations (TP without SP)
    sp_keep_gathered: bool = False  # keep the gathered input instead of gathering again
    fused: bool = True  # fused QKV (and up+gate); False: one column-parallel linear each
    overlap: bool = False
    impl: str = "explicit"  # explicit | dtensor
    dp_kind: str = "none"  # none | ddp | zero1 | fsdp2
    vpp: int = 1  # parts of a pipeline stage, interleaved


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The numbers a closed form needs."""

    family: str  # gpt | llama
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    vocab: int
    seq: int
    batch: int  # sequences per microbatch and data-parallel rank
    microbatches: int = 1
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A communicator as a trace names it."""

    name: str
    description: str
    ranks: tuple[int, ...]
    backend: str = ""


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step of one rank, timed by the recorder itself with the profiler on or off."""

    rank: int
    step: int
    time_ns: int
    profiled: bool


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Collectives the program says it issued, counted by everything that names them."""

    rank: int
    step: int
    phase: str
    collective: str
    role: str | None
    group: str
    group_size: int
    dtype: str
    payload_bytes: int  # of one instance
    count: int
    is_async: bool = False
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class RankMemory:
    """Peak memory of one rank; `kind` says what was measured (cuda_allocator, rss, tensors)."""

    rank: int
    kind: str
    peak_bytes: int
    by_phase_bytes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SavedBytes:
    """What autograd keeps of a layer (None: outside layers) for backward, by the module that saves it."""

    rank: int
    layer: int | None
    item: str  # norm1, attention.qkv, attention, mlp.down ...
    size_bytes: int  # whole storages, each once, of one microbatch


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Facts about a run that stand beside its traces (run.json), or what the traces tell of them."""

    name: str
    path: Path
    source: Source | None = None
    backend: str | None = None
    world_size: int | None = None
    layout: Layout | None = None
    model: ModelShape | None = None
    groups: tuple[ProcessGroup, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    workload: str | None = None  # "gpt", "llama" or the script
    command: tuple[str, ...] = ()
    complete: bool | None = None  # None: no run.json beside the traces
    step_times: tuple[StepTime, ...] = ()
    memory: tuple[RankMemory, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    losses: tuple[float, ...] = ()
    sent_bytes: dict[str, int] = field(default_factory=dict)  # rank -> bytes really sent (TCP_INFO)
    clocks: dict[str, dict[str, int]] = field(default_factory=dict)  # rank -> realtime_ns, monotonic_ns
    saved: tuple[SavedBytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RankPart:
    """Where one rank's trace is: a file, and inside it a selector where several ranks share it."""

    rank: int
    path: Path
    reader: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run found on disk: facts, and one part a rank, ordered by rank."""

    info: RunInfo
    parts: tuple[RankPart, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of a timeline: a host thread, or a stream of a device."""

    process: str
    thread: str
    device: int = NO_VALUE  # >= 0 on device lanes
    stream: int = NO_VALUE
    label: str = ""


@dataclass(frozen=True, slots=True)
class CommFacts:
    """What an event says of communication, or of a product's shapes, as recorded; any field may be absent."""

    collective: str | None = None  # as written: allreduce, _allgather_base, wait, init, SendRecv ...
    in_elements: int | None = None
    out_elements: int | None = None
    dtype: str | None = None  # a key of schema.DTYPE_BYTES
    group: str | None = None
    group_description: str | None = None
    group_size: int | None = None
    group_ranks: tuple[int, ...] | None = None  # resolved through pg_config when cut at 30
    seq: int | None = None
    is_async: bool | None = None
    comms_id: str | None = None
    peer: int | None = None
    src: int | None = None
    dst: int | None = None
    role: str | None = None
    in_split: tuple[int, ...] | None = None
    out_split: tuple[int, ...] | None = None
    shapes: tuple[tuple[int, ...], ...] = ()  # Input Dims, nested lists flattened one level
    dtypes: tuple[str, ...] = ()  # Input type, canonical; "" where none
    concrete: tuple[str, ...] = ()  # Concrete Inputs
    message_bytes: int | None = None  # as NCCL says on NVTX: the shard for all_gather, reduce_scatter


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """A device or host synchronisation that orders streams."""

    event: int  # row in Events
    stream: int = NO_VALUE
    wait_on_stream: int = NO_VALUE
    wait_on_correlation: int = NO_VALUE


@dataclass(frozen=True, slots=True)
class MemorySample:
    """One allocator record: total bytes allocated on a device (-1 = host) at a time."""

    time_ns: int
    device: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one rank as columns of length n, sorted by (start_ns, -end_ns); absent numbers are -1."""

    start_ns: Int64
    end_ns: Int64
    kind: npt.NDArray[np.uint8]  # EventKind
    name_id: Int32  # into names
    lane_id: Int32  # into lanes
    correlation: Int64  # ties a device event to its RUNTIME launch
    external_id: Int64  # ties a RUNTIME (or device) event to the OP
    sequence: Int64  # autograd "Sequence number"
    forward_thread: Int64  # autograd "Fwd thread id"
    size_bytes: Int64  # memcpy and memset
    comm_id: Int32  # into comms
    names: tuple[str, ...]
    lanes: tuple[Lane, ...]
    comms: tuple[CommFacts, ...]

    def __len__(self) -> int:
        return len(self.start_ns)

    def is_kind(self, *kinds: EventKind) -> Mask:
        """Rows of any of these kinds."""
        found = np.zeros(len(self.kind), dtype=bool)
        for kind in kinds:
            found |= self.kind == int(kind)
        return found

    def on_device(self) -> Mask:
        """Rows that occupy a device: kernels, copies, memsets, whole graphs."""
        return self.is_kind(*DEVICE_KINDS)

    def name(self, row: int) -> str:
        """Name of one event."""
        return self.names[int(self.name_id[row])]

    def facts(self, row: int) -> CommFacts | None:
        """Communication facts of one event, if it has any."""
        index = int(self.comm_id[row])
        return None if index < 0 else self.comms[index]


@dataclass(frozen=True, slots=True)
class RankTrace:
    """Everything one rank recorded, on its own clock (ns since the epoch where the trace tells)."""

    rank: int
    events: Events
    source: Source
    backend: str | None = None  # nccl | rccl | gloo | xccl | ...: what was used
    world_size: int | None = None
    host: str | None = None
    groups: tuple[ProcessGroup, ...] = ()
    devices: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    syncs: tuple[SyncFacts, ...] = ()
    memory: tuple[MemorySample, ...] = ()
    read_counts: dict[str, int] = field(default_factory=dict)  # events, bad, salvaged, truncated ...
