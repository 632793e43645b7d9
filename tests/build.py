"""A tiny language for traces whose answers are known on paper.

    build("r0: compute 0-10 | all_reduce 10-30",
          "r1: compute 0-25 | all_reduce 25-30")          -> [RankTrace, RankTrace]

One line a rank: `rN:` and then items split by `|`. An item is `WHAT START-END key=value ...`; times are
MICROSECONDS (decimals allowed) and become int64 ns on the rank's own clock, `offsets_us[rank]` ahead of true
time. Write host items that stand inside others after those.

On the device (style "cuda"; with style "gloo" compute is an `aten::mm` on the main thread instead):
    compute | copy | set | kernel:NAME
        stream=7, launch=TIME of the host call (default 1 us before START, not before 0), took=0.5 (us)
    all_reduce all_gather reduce_scatter all_to_all broadcast reduce gather scatter barrier send recv
    send_recv
        stream=20 (gloo: worker=0), bytes=4096 (payload S), dtype=float32, group=tp, seq (default: counted per
        group from 1), async=0|1, peer=RANK, id=COMMS_ID, role=tp,
        issue=TIME of the c10d op (default: cuda just before the launch, gloo START)
On the host (thread=main unless said):
    host | op:NAME          an operator (seqnr=, fwd= set autograd's numbers)
    mark:NAME               an annotation
    runtime:NAME            a CUDA call, e.g. runtime:cudaDeviceSynchronize
    step                    ProfilerStep#0, #1, ... in order (number= to say otherwise)
    phase:forward  layer:3  microbatch:0            ranges of our own recorder
Options: style, bytes, dtype, group, facts (False: only names and shapes, no metadata), launches (False: kernels
without launch records), offsets_us, groups ({name: ranks}; default {"tp": every rank}), backend, epoch_ns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from commscope.schema import DTYPE_BYTES, NO_VALUE, Collective, EventKind, Source
from commscope.trace import CommFacts, Events, Lane, ProcessGroup, RankTrace

COLLECTIVES = {str(kind) for kind in Collective}
OPS = {
    "all_reduce": ("allreduce", "c10d::allreduce_", "AllReduce_Sum_f32_RING_LL"),
    "all_gather": ("_allgather_base", "c10d::_allgather_base_", "AllGather_RING_LL"),
    "reduce_scatter": (
        "_reduce_scatter_base",
        "c10d::_reduce_scatter_base_",
        "ReduceScatter_Sum_f32_RING_LL",
    ),
    "all_to_all": ("all_to_all", "c10d::alltoall_base_", "SendRecv"),
    "broadcast": ("broadcast", "c10d::broadcast_", "Broadcast_RING_LL"),
    "reduce": ("reduce", "c10d::reduce_", "Reduce_Sum_f32_RING_LL"),
    "gather": ("gather", "c10d::gather_", "SendRecv"),
    "scatter": ("scatter", "c10d::scatter_", "SendRecv"),
    "barrier": ("barrier", "c10d::barrier", "AllReduce_Sum_i8_RING_LL"),
    "send": ("send", "c10d::send", "SendRecv"),
    "recv": ("recv", "c10d::recv_", "SendRecv"),
    "send_recv": ("coalesced", "c10d::send", "SendRecv"),
}
ITEM = re.compile(r"\s*(?P<what>.+?)\s+(?P<start>-?[\d.]+)-(?P<end>-?[\d.]+)(?P<rest>(\s+\w+=\S+)*)\s*\Z")
SPLIT_IN = {"all_gather", "gather"}
SPLIT_OUT = {"reduce_scatter", "scatter"}
TORCH_DTYPES = {"float32": "float", "bfloat16": "c10::BFloat16", "float16": "c10::Half", "float64": "double"}


@dataclass(frozen=True)
class Options:
    """See the module's docstring."""

    style: str = "cuda"
    bytes: int = 4096
    dtype: str = "float32"
    group: str = "tp"
    facts: bool = True
    launches: bool = True
    offsets_us: Mapping[int, float] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    backend: str | None = None
    epoch_ns: int = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Row:
    """One event before it becomes columns."""

    start_ns: int
    end_ns: int
    kind: EventKind
    name: str
    lane: Lane
    correlation: int = NO_VALUE
    external_id: int = NO_VALUE
    sequence: int = NO_VALUE
    forward_thread: int = NO_VALUE
    size_bytes: int = NO_VALUE
    facts: CommFacts | None = None


def build(*lines: str, **options: object) -> list[RankTrace]:
    """Traces of the ranks written in `lines`."""
    chosen = Options(**options)  # type: ignore[arg-type]
    heads = [line.split(":", 1) for line in lines]
    ranks = tuple(int(head.strip()[1:]) for head, _ in heads)
    if not chosen.groups:
        chosen = replace(chosen, groups={chosen.group: ranks})
    return [
        _Rank(rank, chosen, max(ranks) + 1).trace(text) for rank, (_, text) in zip(ranks, heads, strict=True)
    ]


def trace_of(rows: list[Row], *, rank: int = 0, **fields: object) -> RankTrace:
    """A trace of hand-made rows, sorted as a reader sorts them."""
    order = sorted(range(len(rows)), key=lambda i: (rows[i].start_ns, -rows[i].end_ns))
    rows = [rows[i] for i in order]
    names = {name: n for n, name in enumerate(dict.fromkeys(row.name for row in rows))}
    lanes = {lane: n for n, lane in enumerate(dict.fromkeys(row.lane for row in rows))}
    comms = [row.facts for row in rows if row.facts is not None]
    has_facts = np.array([row.facts is not None for row in rows], dtype=bool)

    def column(values: list[int], dtype: str = "int64") -> np.ndarray:
        return np.array(values, dtype=dtype)

    events = Events(
        start_ns=column([row.start_ns for row in rows]),
        end_ns=column([row.end_ns for row in rows]),
        kind=column([int(row.kind) for row in rows], "uint8"),
        name_id=column([names[row.name] for row in rows], "int32"),
        lane_id=column([lanes[row.lane] for row in rows], "int32"),
        correlation=column([row.correlation for row in rows]),
        external_id=column([row.external_id for row in rows]),
        sequence=column([row.sequence for row in rows]),
        forward_thread=column([row.forward_thread for row in rows]),
        size_bytes=column([row.size_bytes for row in rows]),
        comm_id=np.where(has_facts, np.cumsum(has_facts) - 1, NO_VALUE).astype("int32"),
        names=tuple(names),
        lanes=tuple(lanes),
        comms=tuple(comms),
    )
    return RankTrace(rank=rank, events=events, source=Source.KINETO, **fields)  # type: ignore[arg-type]


class _Rank:
    """Collects the rows of one rank."""

    def __init__(self, rank: int, options: Options, world_size: int) -> None:
        self.rank, self.options, self.world_size = rank, options, world_size
        self.rows: list[Row] = []
        self.counts: Counter[str] = Counter()
        self.cuda = options.style == "cuda"

    def trace(self, text: str) -> RankTrace:
        for item in text.split("|"):
            if item.strip():
                self._item(item)
        groups = tuple(ProcessGroup(name, name, tuple(ranks)) for name, ranks in self.options.groups.items())
        backend = self.options.backend or ("nccl" if self.cuda else "gloo")
        return trace_of(self.rows, rank=self.rank, backend=backend, world_size=self.world_size, groups=groups)

    def _ns(self, us: str | float) -> int:
        offset_us = self.options.offsets_us.get(self.rank, 0)
        return self.options.epoch_ns + round((float(us) + offset_us) * 1000)

    def _next(self, counter: str) -> int:
        self.counts[counter] += 1
        return self.counts[counter]

    def _item(self, item: str) -> None:
        match = ITEM.match(item)
        if match is None:
            raise ValueError(f"not an item: {item!r}")
        keys = dict(pair.split("=", 1) for pair in match["rest"].split())
        what, name = [*match["what"].split(":", 1), ""][:2]
        start, end = self._ns(match["start"]), self._ns(match["end"])
        if what in COLLECTIVES:
            self._collective(what, start, end, keys)
        elif what in {"compute", "copy", "set", "kernel"}:
            self._work(what, name, (start, end), keys)
        else:
            self._host(what, name, (start, end), keys)

    def _host(self, what: str, name: str, span: tuple[int, int], keys: dict[str, str]) -> None:
        if what == "step":
            name = f"ProfilerStep#{keys.get('number', self._next('step') - 1)}"
        elif what in {"phase", "layer", "microbatch"}:
            name = f"commscope:{what}:{name}"
        kinds = {"host": EventKind.OP, "op": EventKind.OP, "runtime": EventKind.RUNTIME}
        self.rows.append(
            Row(*span, kinds.get(what, EventKind.ANNOTATION), name or "aten::mul", self._thread(keys),
                sequence=int(keys.get("seqnr", NO_VALUE)), forward_thread=int(keys.get("fwd", NO_VALUE)))
        )  # fmt: skip

    def _thread(self, keys: dict[str, str]) -> Lane:
        return Lane("1", keys.get("thread", "main"))

    def _work(self, what: str, name: str, span: tuple[int, int], keys: dict[str, str]) -> None:
        if not self.cuda:
            self.rows.append(Row(*span, EventKind.OP, name or "aten::mm", self._thread(keys)))
            return
        kind = {"copy": EventKind.MEMCPY, "set": EventKind.MEMSET}.get(what, EventKind.KERNEL)
        self._device(kind, name or f"{what}_kernel", span, keys, None)

    def _device(
        self, kind: EventKind, name: str, span: tuple[int, int], keys: dict[str, str], facts: CommFacts | None
    ) -> None:
        default = "20" if facts is not None or name.startswith("nccl") else "7"
        stream = int(keys.get("stream", default))
        lane = Lane("0", f"stream {stream}", device=0, stream=stream)
        correlation = self._next("correlation") if self.options.launches else NO_VALUE
        size = int(keys.get("bytes", 0)) if kind in {EventKind.MEMCPY, EventKind.MEMSET} else NO_VALUE
        self.rows.append(Row(*span, kind, name, lane, correlation=correlation, size_bytes=size, facts=facts))
        if self.options.launches:
            at = self._launch(span, keys)
            took_ns = round(1000 * float(keys.get("took", 0.5)))
            call = "cudaMemcpyAsync" if kind == EventKind.MEMCPY else "cudaLaunchKernel"
            self.rows.append(
                Row(at, at + took_ns, EventKind.RUNTIME, call, self._thread(keys), correlation=correlation,
                    external_id=self.counts["external"] if name.startswith("nccl") else NO_VALUE)
            )  # fmt: skip

    def _launch(self, span: tuple[int, int], keys: dict[str, str]) -> int:
        said = keys.get("launch", keys.get("issue"))
        return max(span[0] - 1000, min(span[0], self._ns(0))) if said is None else self._ns(said)

    def _collective(self, what: str, start: int, end: int, keys: dict[str, str]) -> None:
        spoken, op, kernel = OPS[what]
        facts = self._facts(what, spoken, keys)
        default = self._launch((start, end), keys) - 100 if self.cuda else start
        at = self._ns(keys["issue"]) if "issue" in keys else default
        external = self._next("external")
        op_end = at + 700 if self.cuda else min(at + 1000, end)
        shapes = CommFacts(shapes=facts.shapes, dtypes=facts.dtypes)
        told = facts if self.options.facts else None
        if not self.cuda and told is not None:
            whole = max(facts.in_elements or 0, facts.out_elements or 0)
            said = replace(facts, in_elements=whole, out_elements=whole, shapes=(), dtypes=())
            name = f"commscope:collective:{what}"
            self.rows.append(Row(at, op_end, EventKind.ANNOTATION, name, self._thread(keys), facts=said))
        self.rows.append(
            Row(at, op_end, EventKind.OP, op, self._thread(keys), external_id=external, facts=shapes)
        )
        if self.cuda:
            launched = told or shapes
            span = (at + 50, op_end - 50)
            name = "record_param_comms"
            self.rows.append(
                Row(*span, EventKind.OP, name, self._thread(keys), external_id=external, facts=launched)
            )
            self._device(EventKind.KERNEL, f"ncclDevKernel_{kernel}(ncclDevComm*)", (start, end), keys, told)
            return
        worker = Lane("1", f"worker {keys.get('group', self.options.group)} {keys.get('worker', 0)}")
        ran = "all_reduce" if what == "reduce_scatter" else what
        on_worker = CommFacts(shapes=facts.shapes[-1:], dtypes=facts.dtypes)
        self.rows.append(Row(start, end, EventKind.ANNOTATION, f"gloo:{ran}", worker, facts=on_worker))

    def _facts(self, what: str, spoken: str, keys: dict[str, str]) -> CommFacts:
        group = keys.get("group", self.options.group)
        members = self.options.groups.get(group)
        dtype = keys.get("dtype", self.options.dtype)
        whole = 0 if what == "barrier" else int(keys.get("bytes", self.options.bytes)) // DTYPE_BYTES[dtype]
        part = whole // len(members) if members else whole
        count_in = part if what in SPLIT_IN else whole
        count_out = part if what in SPLIT_OUT else whole
        counter = f"seq {group}"
        return CommFacts(
            collective=spoken, in_elements=count_in, out_elements=count_out, dtype=dtype, group=group,
            group_description=group, group_size=len(members) if members else None, group_ranks=members,
            seq=int(keys["seq"]) if "seq" in keys else self._next(counter),
            is_async=keys.get("async") == "1", comms_id=keys.get("id"), role=keys.get("role"),
            peer=int(keys["peer"]) if "peer" in keys else None,
            shapes=((count_out,), (count_in,)) if what in SPLIT_IN | SPLIT_OUT else ((whole,),),
            dtypes=(dtype,),
        )  # fmt: skip
