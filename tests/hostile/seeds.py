"""Whole small runs as documents: what the fuzz damages. Times in us, as torch.profiler writes them."""

from __future__ import annotations

from typing import Any

from tests.readers.chrome_files import kernel, op

Document = dict[str, Any]
STEPS = 3
BASE_US = 1_700_000_000_000_000.0


def seed_run(backend: str, ranks: int) -> dict[str, Document]:
    """Documents by file name: one trace a rank, and run.json."""
    files = {f"rank{rank}.json": _trace(backend, rank, ranks) for rank in range(ranks)}
    return {**files, "run.json": _manifest(backend, ranks)}


def _trace(backend: str, rank: int, ranks: int) -> Document:
    steps = [_nccl_step(n, rank, ranks) if backend == "nccl" else _gloo_step(n, rank) for n in range(STEPS)]
    members = list(range(ranks))
    group = {"pg_name": "0", "pg_desc": "tp", "pg_size": ranks, "ranks": members}
    return {
        "schemaVersion": 1,
        "distributedInfo": {
            "backend": backend, "rank": rank, "world_size": ranks, "pg_count": 1, "pg_config": [group]
        },
        "deviceProperties": [{"id": 0, "name": "NVIDIA H100"}] if backend == "nccl" else [],
        "traceEvents": [
            {"ph": "M", "name": "thread_name", "pid": 7, "tid": 7, "ts": 0, "args": {"name": "main"}},
            *(event for step in steps for event in step),
        ],
    }  # fmt: skip


def _nccl_step(number: int, rank: int, ranks: int) -> list[Document]:
    """Forward: a layer's gemm, an all_reduce after it; backward: the same, beside another gemm."""
    at, flow = BASE_US + 1000.0 * number, 100 * number
    members = str(list(range(ranks)))
    events = [
        op(f"ProfilerStep#{number}", at, 900, cat="user_annotation"),
        op("commscope:phase:forward", at + 5, 300, cat="user_annotation"),
        op("commscope:layer:0", at + 6, 200, cat="user_annotation"),
        op("commscope:phase:backward", at + 310, 300, cat="user_annotation"),
        op("Optimizer.step#AdamW", at + 620, 200, cat="user_annotation"),
        op("cudaDeviceSynchronize", at + 700, 150, cat="cuda_runtime"),
    ]
    for n, begin in enumerate((at + 10, at + 320)):
        gemm, comm = flow + 2 * n + 1, flow + 2 * n + 2
        late = 7.0 * rank
        events += [
            op("aten::mm", begin, 9, External_id=gemm),
            op("cudaLaunchKernel", begin + 2, 4, cat="cuda_runtime", External_id=gemm, correlation=gemm),
            kernel("gemm", begin + 10, 60 + late, External_id=gemm, correlation=gemm),
            op("c10d::allreduce_", begin + 12, 12, External_id=comm),
            op("cudaLaunchKernelExC", begin + 14, 4, cat="cuda_runtime", External_id=comm, correlation=comm),
            kernel(
                "ncclDevKernel_AllReduce_Sum_f32_RING_LL()", begin + 75 + late, 130 - late, stream=20,
                External_id=comm, correlation=comm,
                **{"Collective name": "allreduce", "In msg nelems": 1024, "Out msg nelems": 1024,
                   "Group size": ranks, "dtype": "Float", "Process Group Name": "0",
                   "Process Group Ranks": members, "Seq": comm},
            ),
        ]  # fmt: skip
    return events


def _gloo_step(number: int, rank: int) -> list[Document]:
    at = BASE_US + 1000.0 * number
    events = [
        op(f"ProfilerStep#{number}", at, 900, cat="user_annotation"),
        op("commscope:phase:forward", at + 5, 300, cat="user_annotation"),
        op("commscope:phase:backward", at + 310, 300, cat="user_annotation"),
    ]
    for begin in (at + 10, at + 320, at + 500):
        late = 7.0 * rank
        shapes = {"Input Dims": [[[4, 256]], [], []], "Input type": ["TensorList", "", ""]}
        events += [
            op("aten::mm", begin, 60 + late),
            op("c10d::allreduce_", begin + 62 + late, 6, **shapes),
            op("gloo:all_reduce", begin + 70 + late, 90 - late, cat="user_annotation", tid=9,
               **{"Input Dims": [[4, 256]], "Input type": ["float"]}),
        ]  # fmt: skip
    return events


def _manifest(backend: str, ranks: int) -> Document:
    steps = range(STEPS)
    return {
        "schema": "commscope.run/1", "name": "seed", "source": "kineto", "backend": backend, "world_size": ranks,
        "layout": {"tp": ranks, "sp": False, "dp": 1, "pp": 1, "cp": 1, "ep": 1, "recompute": "none",
                   "recompute_layers": None, "fused": True, "impl": "explicit", "dp_kind": "none"},
        "model": {"family": "gpt", "layers": 1, "hidden": 64, "ffn": 256, "heads": 4, "kv_heads": 4, "vocab": 128,
                  "seq": 16, "batch": 1, "microbatches": 1, "dtype": "float32"},
        "groups": [{"name": "0", "description": "tp", "ranks": list(range(ranks)), "backend": backend}],
        "versions": {"torch": "2.13.0"}, "host": {"name": "node", "cpus": 8}, "devices": ["NVIDIA H100"],
        "workload": "gpt", "command": ["commscope", "record", "gpt"], "complete": True,
        "step_times": [{"rank": rank, "step": n, "time_ns": 900_000, "profiled": n > 0} for rank in range(ranks) for n in steps],
        "memory": [{"rank": rank, "kind": "rss", "peak_bytes": 1 << 30, "by_phase_bytes": {"forward": 1 << 20}} for rank in range(ranks)],
        "ledger": [{"rank": rank, "step": n, "phase": "forward", "collective": "all_reduce", "role": "tp", "group": "0",
                    "group_size": ranks, "dtype": "float32", "payload_bytes": 4096, "count": 1} for rank in range(ranks) for n in steps],
        "losses": [2.5, 2.25], "sent_bytes": {"0": 4096}, "gaps": [],
    }  # fmt: skip
