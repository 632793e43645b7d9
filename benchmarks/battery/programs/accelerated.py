"""Accelerate's loop: prepare, backward, gradients accumulated over two batches."""

import common
import torch
from accelerate import Accelerator

accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = common.model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
model, optimizer = accelerator.prepare(model, optimizer)
for step in range(common.STEPS):
    for half in range(2):
        with accelerator.accumulate(model):
            loss = model(common.batch(2 * step + half)).square().mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
    common.told(step, loss)
accelerator.end_training()
