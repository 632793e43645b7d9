# ruff: noqa: T201
"""Megatron-core's GPT on random tokens with TP=2, on the CPU.

commscope record --nproc 2 -- megatron_gpt.py [--sp] [--recompute]
"""

import sys

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.distributed import DistributedDataParallelConfig
from megatron.core.distributed.finalize_model_grads import _allreduce_non_tensor_model_parallel_grads
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
from megatron.core.models.gpt.gpt_model import GPTModel
from megatron.core.tensor_parallel import random
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules
from megatron.core.transformer.transformer_config import TransformerConfig

SEQ, VOCAB = 64, 1024


class Norm(torch.nn.LayerNorm):
    """Megatron-core's own under SP needs Apex or TransformerEngine, which need a GPU."""

    def __init__(self, config, hidden_size, eps=1e-5, **_):
        super().__init__(hidden_size, eps)
        for parameter in self.parameters():
            parameter.sequence_parallel = config.sequence_parallel


def without_gpu():
    """Megatron-core asks CUDA for its device and random states: answer for the CPU."""
    torch.cuda.current_device = lambda: "cpu"
    random._get_cuda_rng_state = lambda **_: torch.get_rng_state()
    random._set_cuda_rng_state = lambda *_, **__: None
    random.initialize_rng_tracker(inference_rng_tracker=True)


def build(sp, recompute):
    """Two layers, with learned positions and biases."""
    full = {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1}
    config = TransformerConfig(
        num_layers=2,
        hidden_size=128,
        num_attention_heads=8,
        ffn_hidden_size=512,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        tensor_model_parallel_size=2,
        sequence_parallel=sp,
        use_cpu_initialization=True,
        **(full if recompute else {}),
    )
    layer = get_gpt_layer_local_spec()
    layer.submodules.input_layernorm = layer.submodules.pre_mlp_layernorm = Norm
    block = TransformerBlockSubmodules([layer] * config.num_layers, layer_norm=Norm)
    model = GPTModel(config, block, VOCAB, SEQ, share_embeddings_and_output_weights=False)
    model.ddp_config = DistributedDataParallelConfig()  # what the sum of gradients over TP asks of a model
    return model


dist.init_process_group("gloo")
parallel_state.initialize_model_parallel(tensor_model_parallel_size=2)
without_gpu()
torch.manual_seed(1)
model = build("--sp" in sys.argv, "--recompute" in sys.argv)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
tokens = torch.randint(0, VOCAB, (2, SEQ + 1), generator=torch.Generator().manual_seed(1))
positions = torch.arange(SEQ).expand(2, SEQ)
mask = torch.ones(1, 1, SEQ, SEQ).triu(1).bool()
for step in range(16):
    optimizer.zero_grad()
    loss = model(tokens[:, :-1], positions, mask, labels=tokens[:, 1:]).mean()
    loss.backward()
    _allreduce_non_tensor_model_parallel_grads([model], model.config)
    optimizer.step()
    if dist.get_rank() == 0:
        print(f"step {step} loss {loss.item():.4f}", flush=True)
dist.destroy_process_group()
