"""One rank of a job that is delayed on purpose, recorded by torch's profiler, with stamps of its own.

`python delayed_job.py FOLDER RANK SIZE`: three collectives a step, in forward, backward and optimizer, each with work
before it. Every third step one rank is late, in the phase and way that `late_in` says; a delay takes so long by the
clock, whoever else runs. Writes rankN.json.gz and stampsN.json: per step when it began, when each collective was
entered and left, and how long the rank was delayed before it (CLOCK_MONOTONIC, one for all ranks of a host).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

PHASES = ("forward", "backward", "optimizer")
WAYS = ("sleep", "spin", "matmul")
WARMUP, STEPS, EVERY = 2, 27, 3
DELAY_NS = 120_000_000
SETTINGS = {"sleep": "host", "spin": "host", "matmul": "compute"}  # what each is on the critical path


def late_in(step: int, size: int) -> tuple[int, str, str] | None:
    """Rank, phase and way of a step's delay, or None: each of the nine pairs once, the ranks in turn."""
    place, which = divmod(step, EVERY)
    if which != 1:
        return None
    return (place * 2 + place // size) % size, PHASES[place % 3], WAYS[place // 3 % 3]


def main(folder: Path, rank: int, size: int) -> None:
    import torch
    import torch.distributed as dist
    from torch.profiler import ProfilerActivity, profile, schedule

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    some, weight = torch.randn(64, 64), torch.nn.Parameter(torch.randn(64, 64))
    stamps: list[dict[str, object]] = []
    late: dict[str, str] = {}

    def collective(phase: str) -> None:
        began = time.monotonic_ns()
        way = late.get(phase)
        while way is not None and time.monotonic_ns() - began < DELAY_NS:
            if way == "sleep":
                time.sleep(DELAY_NS / 1e9)
            elif way == "matmul":
                torch.mm(some, some)
        entered = time.monotonic_ns()
        dist.all_reduce(torch.ones(1024))
        left = time.monotonic_ns()
        delay_ns = entered - began if way is not None else 0
        stamps.append({"entered_ns": entered, "left_ns": left, "delay_ns": delay_ns})

    class Meets(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                collective("forward")
            return x * 1

        @staticmethod
        def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                grad = grad * 1
                collective("backward")
            return grad * 1

    class Sgd(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            with torch.no_grad():
                weight.add_(0.0)
                collective("optimizer")
            super().step()

    optimizer = Sgd([weight], lr=1e-3)
    steps: list[dict[str, object]] = []
    plan = schedule(wait=0, warmup=WARMUP, active=STEPS + 1, repeat=1)
    with profile(activities=[ProfilerActivity.CPU], schedule=plan, record_shapes=True) as profiler:
        for number in range(WARMUP + STEPS):
            said = late_in(number - WARMUP, size) if number >= WARMUP else None
            late.clear()
            late.update({said[1]: said[2]} if said is not None and said[0] == rank else {})
            stamps.clear()
            began = time.monotonic_ns()
            Meets.apply(some @ weight).pow(2).mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            profiler.step()
            steps.append({"began_ns": began, "ended_ns": time.monotonic_ns(), "collectives": list(stamps)})
    profiler.export_chrome_trace(str(folder / f"rank{rank}.json.gz"))
    (folder / f"stamps{rank}.json").write_text(json.dumps(steps[WARMUP:]))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
