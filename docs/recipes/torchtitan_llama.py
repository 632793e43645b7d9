# ruff: noqa: T201
"""torchtitan's llama3 debugmodel on random tokens, TP=2 by its own plan, also where there is no GPU.

commscope record --nproc 2 -- torchtitan_llama.py
"""

import torch
import torch.distributed as dist

if not torch.cuda.is_available():  # torchtitan takes CUDA where torch finds no accelerator
    torch._utils._get_available_device_type = lambda: "cpu"

from torchtitan.config import ConfigManager
from torchtitan.distributed import ParallelDims
from torchtitan.distributed import utils as dist_utils
from torchtitan.protocols.train_spec import get_train_spec
from torchtitan.tools import utils

SEQ, VOCAB = 128, 2048
OPTIONS = (
    "--model.name llama3 --model.flavor debugmodel --training.local_batch_size 2 "
    f"--training.seq_len {SEQ} --parallelism.tensor_parallel_degree 2 --activation_checkpoint.mode none "
    "--optimizer.implementation foreach"
)

dist.init_process_group("gloo" if utils.device_type == "cpu" else "nccl")
config = ConfigManager().parse_args(OPTIONS.split())
dims = ParallelDims(
    dp_replicate=1, dp_shard=1, cp=1, tp=2, pp=1, ep=1, etp=1, world_size=dist.get_world_size()
)
dims.build_mesh()
spec = get_train_spec("llama3")
arguments = spec.model_args["debugmodel"]
arguments.update_from_config(config)
with torch.device("meta"):
    model = spec.model_cls(arguments)
model = spec.parallelize_fn(model, dims, config)
model.to_empty(device=utils.device_type)
torch.manual_seed(1)
with torch.no_grad():
    model.init_weights()
optimizers = spec.build_optimizers_fn([model], config.optimizer, dims)
loss_function = spec.build_loss_fn(config, parallel_dims=dims)
context = dist_utils.get_train_context(enable_loss_parallel=True)
tokens = torch.randint(0, VOCAB, (2, SEQ + 1), generator=torch.Generator().manual_seed(1))
tokens = tokens.to(utils.device_type)
for step in range(16):
    optimizers.zero_grad()
    with context():
        loss = loss_function(model(tokens[:, :-1]), tokens[:, 1:]) / tokens[:, 1:].numel()
        loss.backward()
    dist_utils.clip_grad_norm_(list(model.parameters()), config.training.max_norm, foreach=True)
    optimizers.step()
    if dist.get_rank() == 0:
        print(f"step {step} loss {loss.item():.4f}", flush=True)
dist.destroy_process_group()
