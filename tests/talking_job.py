"""One rank of a job that mostly talks, recorded by torch's profiler.

`python talking_job.py FOLDER RANK SIZE HOST PORT`: four all-reduces of two sizes a step, 5 ms of rest before each.
Writes rankN.json.gz and, to stepsN.json, how long each step took by its own clock (ns).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

SIZES = (64 << 10, 256 << 10, 64 << 10, 256 << 10)  # elements of 4 bytes
WARMUP, STEPS, REST_S = 1, 4, 0.005


def main(folder: Path, rank: int, size: int, host: str, port: str) -> None:
    import torch
    import torch.distributed as dist
    from torch.profiler import ProfilerActivity, profile, schedule

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://{host}:{port}", rank=rank, world_size=size)
    tensors = [torch.ones(count) for count in SIZES]
    took: list[int] = []
    plan = schedule(wait=0, warmup=WARMUP, active=STEPS + 1, repeat=1)
    with profile(activities=[ProfilerActivity.CPU], schedule=plan, record_shapes=True) as profiler:
        for _ in range(WARMUP + STEPS):
            began = time.monotonic_ns()
            for tensor in tensors:
                time.sleep(REST_S)
                tensor.mul_(0.5)
                dist.all_reduce(tensor)
            took.append(time.monotonic_ns() - began)
            profiler.step()
    profiler.export_chrome_trace(str(folder / f"rank{rank}.json.gz"))
    (folder / f"steps{rank}.json").write_text(json.dumps(took[WARMUP:]))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:6])
