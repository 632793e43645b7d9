"""A job of two ranks that knows of CommScope: `python job.py listen|handler|profile FOLDER`, ranks spawned by itself."""

import contextlib
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import commscope


def rank(number: int, how: str, folder: str) -> None:
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=number, world_size=2)
    model = torch.nn.Linear(8, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        model(torch.ones(2, 8)).sum().backward()
        for parameter in model.parameters():
            dist.all_reduce(parameter.grad)
        optimizer.step()
        optimizer.zero_grad()

    with HOW[how](f"{folder}/{how}") as end_step:
        for _ in range(9):
            step()
            end_step()
        while how == "listen":
            step()
            end_step()
            time.sleep(0.01)
            told = torch.tensor([float(Path(folder, "stop").exists())])
            dist.broadcast(told, 0)  # ranks stop at the same step
            if told.item():
                break
    dist.destroy_process_group()


@contextlib.contextmanager
def listen(folder: str):
    with commscope.listen(folder) as steps:
        Path(folder, f"pid{os.getpid()}").touch()
        yield steps.end_step


@contextlib.contextmanager
def profile(folder: str):
    with commscope.profile(folder, steps=2, warmup=2) as steps:
        yield steps.end_step


@contextlib.contextmanager
def handler(folder: str):
    cycle = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    handler = commscope.trace_handler(folder)
    with torch.profiler.profile(schedule=cycle, on_trace_ready=handler, record_shapes=True) as profiler:
        yield profiler.step


HOW = {"listen": listen, "profile": profile, "handler": handler}

if __name__ == "__main__":
    mp.spawn(rank, args=tuple(sys.argv[1:]), nprocs=2)
