"""Scripts as people write them, which know nothing of CommScope; each prints its process id."""

from __future__ import annotations

START = """
import os, sys, torch, torch.distributed as dist
print("pid", os.getpid(), flush=True)
"""
DDP = (
    START
    + """
from torch.nn.parallel import DistributedDataParallel

def main():
    dist.init_process_group("gloo")
    model = DistributedDataParallel(torch.nn.Linear(64, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(7):
        model(torch.ones(8, 64)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

main()
"""
)
OWN_PROFILER = (
    START
    + """
from torch.profiler import ProfilerActivity, profile, schedule, record_function

dist.init_process_group("gloo")
model = torch.nn.Linear(8, 8)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with profile(activities=[ProfilerActivity.CPU], schedule=schedule(wait=1, warmup=1, active=2), record_shapes=True) as mine:
    for step in range(7):
        with record_function("mine"):
            model(torch.ones(2, 8)).sum().backward()
        for parameter in model.parameters():
            dist.all_reduce(parameter.grad)
        optimizer.step()
        optimizer.zero_grad()
        mine.step()
print(mine.key_averages().table(row_limit=1))
with torch.autograd.profiler.profile() as old:
    model(torch.ones(2, 8))
assert isinstance(mine, torch.profiler.profile)
dist.destroy_process_group()
"""
)
SPAWN = (
    START
    + """
import torch.multiprocessing as mp

def worker(rank):
    dist.init_process_group("gloo", rank=rank, world_size=2)

if __name__ == "__main__":
    mp.spawn(worker, nprocs=2)
"""
)
GAN = (
    START
    + """
critic, generator = torch.nn.Linear(8, 1), torch.nn.Linear(8, 8)
of_critic = torch.optim.SGD(critic.parameters(), lr=0.1)
of_generator = torch.optim.SGD(generator.parameters(), lr=0.1)
for step in range(9):
    for _ in range(3):
        critic(generator(torch.ones(2, 8))).sum().backward()
        of_critic.step()
    critic(generator(torch.ones(2, 8))).sum().backward()
    of_generator.step()
"""
)
INFERENCE = (
    START
    + """
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8))
with torch.no_grad():
    for request in range(7):
        model(torch.ones(2, 8))
"""
)
TIMED = (
    START
    + """
import time

time.sleep(0.7 * int(os.environ["RANK"]))  # ranks import and build at their own pace
dist.init_process_group("gloo")
weight = torch.ones(256, 256)
for _ in range(100_000):
    time.sleep(0.01)
    dist.all_reduce(weight @ weight)
"""
)
