"""The programs of the battery: what each needs, and how it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "programs"
RECIPES = Path(__file__).parents[2] / "docs" / "recipes"


@dataclass(frozen=True, slots=True)
class Listed:
    """One program; `steps_by` as the option of `record`; `records_itself` by commscope.profile."""

    name: str
    script: Path
    arguments: tuple[str, ...] = ()
    ranks: int = 2
    needs: tuple[str, ...] = ()
    steps_by: str = "optimizer"
    records_itself: bool = False


CATALOG = (
    Listed("DDP in main()", HERE / "ddp_main.py"),
    Listed("mp.spawn, commscope.profile", HERE / "spawned.py", records_itself=True),
    Listed("own torch.profiler", HERE / "own_profiler.py"),
    Listed("AMP, GradScaler, clipping", HERE / "amp.py"),
    Listed("torch.compile", HERE / "compiled.py"),
    Listed("checkpointing", HERE / "checkpointing.py"),
    Listed("GAN, 3 critic : 1 generator", HERE / "gan.py"),
    Listed("LBFGS", HERE / "lbfgs.py"),
    Listed("Lightning, ddp", HERE / "lightning_ddp.py", needs=("lightning",)),
    Listed("HF Trainer", HERE / "hf_trainer.py", needs=("transformers", "accelerate")),
    Listed("Accelerate, accumulation", HERE / "accelerated.py", needs=("accelerate",)),
    Listed("DeepSpeed ZeRO-1", HERE / "deepspeed_zero.py", ("1",), needs=("deepspeed",)),
    Listed("DeepSpeed ZeRO-3", HERE / "deepspeed_zero.py", ("3",), needs=("deepspeed",)),
    Listed("FSDP2 x TP", HERE / "fsdp2_tp.py", ranks=4),
    Listed("torchtitan, TP", RECIPES / "torchtitan_llama.py", needs=("torchtitan",)),
    Listed("Megatron-core, TP+SP", RECIPES / "megatron_gpt.py", ("--sp",), needs=("megatron.core",)),
    Listed('transformers, tp_plan="auto"', RECIPES / "transformers_tp.py", needs=("transformers",)),
    Listed("DTensor inference", HERE / "dtensor_inference.py", steps_by="call"),
    Listed("serving loop with workers", HERE / "serving.py", steps_by="call"),
)
