"""Inference of a tensor-parallel model: no optimizer, a step is a request."""

import common
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (dist.get_world_size(),))
model = common.model()
plan = {"0": ColwiseParallel(), "2": RowwiseParallel(), "4": ColwiseParallel(), "6": RowwiseParallel()}
parallelize_module(model, mesh, plan)
request = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    for step in range(common.STEPS):
        common.told(step, model(request * step).sum())
dist.destroy_process_group()
