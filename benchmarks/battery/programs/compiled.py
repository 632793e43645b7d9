"""DDP around torch.compile."""

import common
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
model = DistributedDataParallel(torch.compile(common.model()))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(common.STEPS):
    optimizer.zero_grad()
    loss = model(common.batch(step)).square().mean()
    loss.backward()
    optimizer.step()
    common.told(step, loss)
dist.destroy_process_group()
