"""LBFGS, whose step runs forward and backward several times; gradients are reduced by hand."""

import common
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
model = common.model(depth=1)
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)
for step in range(common.STEPS):

    def closure(step: int = step) -> torch.Tensor:
        """Loss and gradients of all ranks."""
        optimizer.zero_grad()
        loss = model(common.batch(step)).square().mean()
        loss.backward()
        for parameter in model.parameters():
            dist.all_reduce(parameter.grad)
        total = loss.detach().clone()
        dist.all_reduce(total)
        return total

    common.told(step, optimizer.step(closure))
dist.destroy_process_group()
