"""DDP with activations recomputed in backward."""

import common
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint


class Model(torch.nn.Module):
    """Every layer recomputed."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(common.model())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One layer after the other."""
        for layer in self.layers:
            x = checkpoint(layer, x, use_reentrant=False)
        return x


dist.init_process_group("gloo")
model = DistributedDataParallel(Model())
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(common.STEPS):
    optimizer.zero_grad()
    loss = model(common.batch(step)).square().mean()
    loss.backward()
    optimizer.step()
    common.told(step, loss)
dist.destroy_process_group()
