"""DDP under the script's own torch.profiler."""

import common
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import profile, schedule

dist.init_process_group("gloo")
model = DistributedDataParallel(common.model())
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
with profile(schedule=schedule(wait=1, warmup=1, active=3)) as mine:
    for step in range(common.STEPS):
        optimizer.zero_grad()
        loss = model(common.batch(step)).square().mean()
        loss.backward()
        optimizer.step()
        mine.step()
        common.told(step, loss)
dist.destroy_process_group()
