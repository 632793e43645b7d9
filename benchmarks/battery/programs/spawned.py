"""Ranks that the script spawns itself: recorded by `commscope.profile` where RUN is set, plain where not."""

import contextlib
import os

import common
import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.nn.parallel import DistributedDataParallel


def train(rank: int, store: str) -> None:
    """One rank."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    model = DistributedDataParallel(common.model())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with contextlib.ExitStack() as stack:
        steps = None
        if "RUN" in os.environ:
            import commscope

            steps = stack.enter_context(commscope.profile(os.environ["RUN"], steps=2, warmup=2))
        for step in range(common.STEPS):
            optimizer.zero_grad()
            loss = model(common.batch(step)).square().mean()
            loss.backward()
            optimizer.step()
            common.told(step, loss)
            if steps is not None:
                steps.end_step()
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(train, (os.environ["STORE"],), nprocs=2)
