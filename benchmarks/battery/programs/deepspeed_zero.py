"""DeepSpeed, ZeRO stage 1 or 3 by the first argument, on the CPU."""

import sys

import common
import deepspeed
import torch
import torch.distributed as dist

deepspeed.init_distributed("gloo")
model = common.model()
configuration = {
    "train_micro_batch_size_per_gpu": 16,
    "zero_optimization": {"stage": int(sys.argv[1])},
    "zero_allow_untested_optimizer": True,
}
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=configuration)
for step in range(common.STEPS):
    loss = engine(common.batch(step)).square().mean()
    engine.backward(loss)
    engine.step()
    common.told(step, loss)
dist.destroy_process_group()
