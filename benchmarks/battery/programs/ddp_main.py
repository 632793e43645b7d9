"""DDP as the tutorials write it: everything inside main()."""

import common
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def main() -> None:
    """Train."""
    dist.init_process_group("gloo")
    model = DistributedDataParallel(common.model())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(common.STEPS):
        optimizer.zero_grad()
        loss = model(common.batch(step)).square().mean()
        loss.backward()
        optimizer.step()
        common.told(step, loss)


if __name__ == "__main__":
    main()
