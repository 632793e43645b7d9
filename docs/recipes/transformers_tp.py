# ruff: noqa: T201
"""A small llama of transformers, randomly initialised and loaded with tp_plan="auto", on the CPU.

commscope record --nproc 2 -- transformers_tp.py
"""

import tempfile

import torch
import torch.distributed as dist
from transformers import LlamaConfig, LlamaForCausalLM

dist.init_process_group("gloo")
config = LlamaConfig(
    vocab_size=512,
    hidden_size=128,
    intermediate_size=256,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=8,
    max_position_embeddings=64,
    use_cache=False,
)
torch.manual_seed(0)
folder = [tempfile.mkdtemp() if dist.get_rank() == 0 else None]
if folder[0]:
    LlamaForCausalLM(config).save_pretrained(folder[0])
dist.broadcast_object_list(folder)
model = LlamaForCausalLM.from_pretrained(folder[0], tp_plan="auto").train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
tokens = torch.randint(0, 512, (2, 32), generator=torch.Generator().manual_seed(1))
for step in range(16):
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if dist.get_rank() == 0:
        print(f"step {step} loss {loss.item():.4f}", flush=True)
dist.destroy_process_group()
