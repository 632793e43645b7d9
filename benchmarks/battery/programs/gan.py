"""Three steps of a critic for each of a generator, both in DDP."""

import common
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
critic = DistributedDataParallel(common.model())
generator = DistributedDataParallel(torch.nn.Linear(64, 64))
of_critic = torch.optim.Adam(critic.parameters(), lr=1e-3)
of_generator = torch.optim.Adam(generator.parameters(), lr=1e-3)
for step in range(common.STEPS):
    for turn in range(3):
        of_critic.zero_grad()
        made = generator(common.batch(4 * step + turn)).detach()
        (critic(made).mean() - critic(common.batch(4 * step + turn)).mean()).backward()
        of_critic.step()
    of_generator.zero_grad()
    loss = -critic(generator(common.batch(4 * step + 3))).mean()
    loss.backward()
    of_generator.step()
    common.told(step, loss)
dist.destroy_process_group()
