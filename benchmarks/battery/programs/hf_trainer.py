"""Hugging Face's Trainer on a small llama, DDP by its environment."""

import tempfile

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments


class Data(torch.utils.data.Dataset):
    """Random tokens, the same in every run."""

    def __len__(self) -> int:
        return 128

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        tokens = torch.randint(0, 64, (16,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": tokens, "labels": tokens}


torch.manual_seed(1)
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
model = LlamaForCausalLM(LlamaConfig(vocab_size=64, num_key_value_heads=4, **shape))
arguments = TrainingArguments(
    tempfile.mkdtemp(),
    max_steps=9,
    per_device_train_batch_size=2,
    logging_steps=1,
    report_to=[],
    use_cpu=True,
    save_strategy="no",
    disable_tqdm=True,
)
trainer = Trainer(model, arguments, train_dataset=Data())
trainer.train()
if arguments.process_index == 0:
    for row in trainer.state.log_history:
        if "loss" in row:
            print(f"step {row['step']} loss {row['loss']}", flush=True)
