"""One small run of two ranks with known waits, written as NCCL Inspector, NCCL's plugin and Kineto write it."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.readers.chrome_files import kernel

BASE_US = 1_700_000_000_000_000
BYTES = 1 << 20


@dataclass(frozen=True)
class Call:
    """An all-reduce of 1 MiB in float32; arrivals and the common end in us."""

    number: int
    arrival_us: tuple[int, int]
    end_us: int


CALLS = tuple(
    Call(n, (1_000 * n + 37 * (n % 3), 1_000 * n + 150 * ((n + 1) % 2)), 1_000 * n + 400 + 5 * n)
    for n in range(8)
)
WAITS_US = {rank: sum(max(call.arrival_us) - call.arrival_us[rank] for call in CALLS) for rank in (0, 1)}


def inspector(folder: Path, *, marker: bool = False, verbose: bool = True, ending: str = "log") -> Path:
    """Logs of both ranks; with `marker` as version 4.3 writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in (0, 1):
        header = {"id": "0x7f", "rank": rank, "n_ranks": 2, "nnodes": 1}
        meta = {"inspector_output_format_version": "v4.3" if marker else "v4.0", "hostname": "node01",
                "dump_timestamp_us": BASE_US + 9_999_999, "pid": 4711 + rank}  # fmt: skip
        head = {"header": header, "metadata": meta}
        lines: list[dict[str, Any]] = [{**head, "dump_stats": {"coll_records": len(CALLS)}}] if marker else []
        for call in CALLS:
            perf = {"coll": "AllReduce", "coll_sn": call.number, "coll_msg_size_bytes": BYTES,
                    "coll_exec_time_us": call.end_us - call.arrival_us[rank]}  # fmt: skip
            if verbose:
                start, stop = BASE_US + call.arrival_us[rank], BASE_US + call.end_us
                channels = [
                    {"channel_id": 0, "kernel_start_ts": start, "kernel_stop_ts": stop - 1},
                    {"channel_id": 1, "kernel_start_ts": start + 2, "kernel_stop_ts": stop},
                ]
                perf["event_trace_ts"] = {
                    "coll_start_ts": start - 9,
                    "coll_stop_ts": start - 7,
                    "kernel_events": channels,
                }
            lines.append({"coll_perf": perf} if marker else {**head, "coll_perf": perf})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"node01-pid{4711 + rank}.{ending}").write_text(text)
    return folder


def plugin(folder: Path) -> Path:
    """Traces of NCCL's example plugin, closed as it closes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in (0, 1):
        lines = []
        for call in CALLS:
            args = {"SeqNum": call.number, "CommHash": 77, "Rank": rank, "Count": BYTES // 4,
                    "Datatype": "ncclFloat32", "Algorithm": "RING", "Protocol": "LL", "nChannels": 1}  # fmt: skip
            begin, end = call.arrival_us[rank] + 0.25, call.end_us + 0.25
            rows = [("AllReduce", "COLL", "b", begin - 9, args), ("KernelCh", "GPU", "b", begin, {"Channel": 0}),
                    ("KernelCh", "GPU", "e", end, None), ("AllReduce", "COLL", "e", end + 1, None)]  # fmt: skip
            for name, cat, phase, at, said in rows:
                row = {"name": name, "cat": cat, "ph": phase, "id": call.number, "pid": 9, "tid": 1, "ts": at}
                lines.append(json.dumps(row if said is None else {**row, "args": said}))
        (folder / f"nccl_rank{rank}.json").write_text(
            "[\n" + "".join(line + ",\n" for line in lines) + "{}]\n"
        )
    return folder


def kineto(folder: Path) -> Path:
    """The same kernels as torch.profiler writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in (0, 1):
        facts = {"Collective name": "allreduce", "In msg nelems": BYTES // 4, "Out msg nelems": BYTES // 4,
                 "Group size": 2, "dtype": "Float", "Process Group Name": "0", "Process Group Ranks": "[0, 1]"}  # fmt: skip
        events = [
            kernel("ncclDevKernel_AllReduce_Sum_f32_RING_LL()", BASE_US + call.arrival_us[rank],
                   call.end_us - call.arrival_us[rank], stream=20, **{**facts, "Seq": call.number})
            for call in CALLS
        ]  # fmt: skip
        info = {"backend": "nccl", "rank": rank, "world_size": 2}
        document = {"schemaVersion": 1, "distributedInfo": info, "traceEvents": events}
        (folder / f"rank{rank}.json").write_text(json.dumps(document))
    return folder


def dump(rank: int, calls: list[tuple[str, int]], *, overwritten: int = 0) -> dict[str, Any]:
    """A flight recorder's dump: calls by name and elements of float32."""
    entries = [
        {"record_id": overwritten + n, "process_group": ("0", "default_pg"), "profiling_name": f"nccl:{name}",
         "collective_seq_id": n + 1, "p2p_seq_id": 0, "is_p2p": False, "op_id": n + 1, "state": "completed",
         "time_created_ns": BASE_US * 1_000 + 1_000 * n + rank, "thread_id": "1", "input_sizes": ((elements,),),
         "input_dtypes": ["Float"], "output_sizes": ((elements,),), "output_dtypes": ["Float"]}
        for n, (name, elements) in enumerate(calls)
    ]  # fmt: skip
    config = {"0": {"name": "0", "desc": "default_pg", "ranks": "[0, 1]"}}
    return {"version": "2.5", "nccl_version": "2.27.5", "pg_config": config, "entries": entries}


def dumps(folder: Path, calls: list[tuple[str, int]], *, overwritten: int = 0) -> Path:
    """Dumps of both ranks, as torch writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in (0, 1):
        content = pickle.dumps(dump(rank, calls, overwritten=overwritten), protocol=2)
        (folder / f"nccl_trace_rank_{rank}").write_bytes(content)
    return folder
