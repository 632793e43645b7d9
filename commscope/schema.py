"""The vocabulary: enums, column names and dtypes that all parts share."""

from __future__ import annotations

from enum import IntEnum, StrEnum

ANALYSIS_SCHEMA = "commscope.analysis/1"
COMPARISON_SCHEMA = "commscope.comparison/1"
VERDICT_SCHEMA = "commscope.verdict/1"
RUN_SCHEMA = "commscope.run/1"
EVENTS_SCHEMA_VERSION = 1

CAPTURE = "capture"
NO_VALUE = -1


class Source(StrEnum):
    """Where a trace came from."""

    KINETO = "kineto"
    NSYS = "nsys"
    COLUMNAR = "columnar"
    NCCL_INSPECTOR = "nccl_inspector"
    FLIGHT_RECORDER = "flight_recorder"
    EXECUTION_TRACE = "execution_trace"
    NCCL_PLUGIN = "nccl_plugin"
    ASCEND = "ascend"
    XLA = "xla"


# Sources that record communication and nothing else: what was busy, or idle, cannot be told.
COMMUNICATION_ONLY = (
    Source.NCCL_INSPECTOR,
    Source.FLIGHT_RECORDER,
    Source.NCCL_PLUGIN,
    Source.EXECUTION_TRACE,
)


class EventKind(IntEnum):
    """What one row of `Events` is."""

    OP = 0  # a host operator: aten::, c10d::, autograd::engine::, record_param_comms
    ANNOTATION = 1  # a host range somebody marked: ProfilerStep, gloo:, nccl:, commscope:
    RUNTIME = 2  # a CUDA or HIP runtime or driver call on the host
    KERNEL = 3  # device
    MEMCPY = 4  # device
    MEMSET = 5  # device
    DEVICE_ANNOTATION = 6  # a host range projected on a stream; never busy time
    SYNC = 7  # device-side synchronisation record; never busy time
    GRAPH = 8  # a whole CUDA graph launch where its kernels were not recorded; device
    PYTHON = 9  # a Python frame


DEVICE_KINDS = (EventKind.KERNEL, EventKind.MEMCPY, EventKind.MEMSET, EventKind.GRAPH)


class Collective(StrEnum):
    """Kinds of communication."""

    ALL_REDUCE = "all_reduce"
    ALL_GATHER = "all_gather"
    REDUCE_SCATTER = "reduce_scatter"
    ALL_TO_ALL = "all_to_all"
    BROADCAST = "broadcast"
    REDUCE = "reduce"
    GATHER = "gather"
    SCATTER = "scatter"
    SEND = "send"
    RECV = "recv"
    SEND_RECV = "send_recv"  # grouped point-to-point whose use cannot be told
    BARRIER = "barrier"
    UNKNOWN = "unknown"  # surely communication, kind not recorded


POINT_TO_POINT = (Collective.SEND, Collective.RECV, Collective.SEND_RECV)


class Phase(StrEnum):
    """Part of a training step, or what a step of an inference engine does."""

    FORWARD = "forward"
    BACKWARD = "backward"
    RECOMPUTE = "recompute"
    OPTIMIZER = "optimizer"
    OTHER = "other"  # between backward and optimizer, and around the step
    PREFILL = "prefill"  # a batch of an engine with any prompt in it
    DECODE = "decode"  # a batch of an engine that only generates


SERVING_PHASES = (Phase.PREFILL, Phase.DECODE)


class Role(StrEnum):
    """What a collective is for."""

    TP = "tp"
    SP = "sp"
    DP = "dp"
    PP = "pp"
    CP = "cp"
    EP = "ep"
    LOSS = "loss"
    EMBEDDING = "embedding"
    GRAD_NORM = "grad_norm"


class Evidence(StrEnum):
    """What told that an event communicates, strongest first."""

    KERNEL_METADATA = "kernel_metadata"
    LAUNCH_METADATA = "launch_metadata"
    RANGE = "range"  # a `commscope:collective:` range of ours
    ANNOTATION = "annotation"  # a surrounding nccl: or gloo: range, or the c10d op
    NAME = "name"


class Proof(StrEnum):
    """What proved that rows of several ranks are one collective. docs/matching.md has an example of each."""

    COMMS_ID = "comms_id"  # one communicator id and count
    GROUP_SEQ = "group_seq"  # one group and sequence number
    STEP_ORDER = "step_order"  # the k-th of a step that all members mark
    SIGNATURE = "signature"  # sequences aligned so that they end together
    NEIGHBOURS = "neighbours"  # the place between two proved ones on one communicator
    CHANNEL_ORDER = "channel_order"  # a channel is first in, first out


class MembersBy(StrEnum):
    """What told which ranks take part, surest first."""

    RECORD = "record"  # the row names its group, or its peer
    ELIMINATION = "elimination"  # one group, or one peer, is all it can be
    CLOCKS = "clocks"  # of the run's groups the one whose members end with it on one clock
    COUNTS = "counts"  # of the run's groups, or the peers, the only one with equal counts


class Segment(StrEnum):
    """The exact partition of a rank's window."""

    COMPUTE = "compute"
    OVERLAPPED = "overlapped"  # communication under compute; a part of COMPUTE's time
    EXPOSED_TRANSFER = "exposed_transfer"
    EXPOSED_WAIT = "exposed_wait"
    COPY = "copy"
    HOST_BOUND = "host_bound"
    IDLE = "idle"


# Ranges our own recorder writes, on the profiler's timeline and as NVTX (domain `commscope`):
#   commscope:phase:<Phase>    commscope:layer:<int>    commscope:microbatch:<int>
#   commscope:collective:<Collective>      with facts as args, or appended as |key=value|key=value
# Facts: op, role, group, size, dtype, elements (of the whole tensor: payload / dtype size), seq, async.
RANGE_PREFIX = "commscope:"
PHASE_RANGE = "commscope:phase:"
LAYER_RANGE = "commscope:layer:"
MICROBATCH_RANGE = "commscope:microbatch:"
COLLECTIVE_RANGE = "commscope:collective:"
NVTX_DOMAIN = "commscope"

DTYPE_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
}

# One row a collective on one rank. Made by analysis.collectives; `join` adds MATCH_COLUMNS.
# Nullable dtypes: absent is not zero.
INSTANCE_COLUMNS = {
    "rank": "int64",
    "index": "int64",  # position in issue order on this rank
    "start_ns": "int64",  # on the rank's own clock; join replaces it by the common clock
    "end_ns": "int64",
    "issue_ns": "Int64",  # start of the host op that launched it, null where unknown
    "collective": "str",  # Collective
    "window": "str",  # name of the step it was issued in, or "capture" outside every step
    "phase": "str",  # Phase or null
    "role": "str",  # Role or null
    "layer": "Int64",
    "microbatch": "Int64",
    "group": "str",  # process-group name or null
    "group_size": "Int64",
    "group_ranks": "object",  # tuple[int, ...] or None
    "seq": "Int64",
    "comms_id": "str",
    "is_p2p": "bool",
    "peer": "Int64",
    "peer_place": "Int64",  # the peer's rank inside the group, where only that is told
    "tag": "Int64",  # of a send or receive
    "dtype": "str",
    "elements": "Int64",  # of the whole tensor
    "payload_bytes": "Int64",  # nccl-tests' S
    "wire_bytes": "Int64",  # sent by this rank: ring model, recorded splits, 0 for recv
    "is_async": "boolean",
    "evidence": "str",
    "stream": "str",  # lane it ran on
    "name": "str",
    "is_call_only": "bool",  # what the call started was not recorded; start and end are the call's
}
MATCH_COLUMNS = {
    "instance": "Int64",  # id of the matched instance over all ranks; null when unmatched
    "lateness_ns": "Int64",
    "wait_ns": "Int64",  # null also where a member was not recorded: it may have come last
    "transfer_ns": "Int64",
    "culprit": "Int64",  # rank that was waited for; null where none was
    "members": "Int64",  # ranks that take part
    "members_present": "Int64",  # those of them that were recorded
    "least_wait_ns": "Int64",  # the wait, or how long it was at least; null where nothing is told
    "proof": "str",  # Proof; null when unmatched
    "members_by": "str",  # MembersBy; null when unmatched
    "most_wait_ns": "Int64",  # the wait, or how long it was at most; null where nothing is told
}


def ring_wire_bytes(collective: str, payload_bytes: int, group_size: int) -> int:
    """Bytes one rank sends on a ring for payload S: the convention of nccl-tests (doc/PERFORMANCE.md).

    all_reduce 2(n-1)/n S; all_gather, reduce_scatter, all_to_all, gather, scatter (n-1)/n S; broadcast,
    reduce and point-to-point S; barrier 0. One rank alone sends nothing. Rounded down to a whole byte.
    """
    n = group_size
    if n <= 1 or collective == Collective.BARRIER:
        return 0
    if collective == Collective.ALL_REDUCE:
        return 2 * (n - 1) * payload_bytes // n
    if collective in _SHARED_OUT:
        return (n - 1) * payload_bytes // n
    return payload_bytes


_SHARED_OUT = (
    Collective.ALL_GATHER,
    Collective.REDUCE_SCATTER,
    Collective.ALL_TO_ALL,
    Collective.GATHER,
    Collective.SCATTER,
)
