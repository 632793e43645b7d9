"""What a layout leaves open: kernels, dtypes and optimizer, one policy for memory and time."""

from __future__ import annotations

from dataclasses import dataclass

from commscope.schema import DTYPE_BYTES
from commscope.trace import ModelShape

OPTIMIZER_MOMENTS = {"adam": 2, "momentum": 1, "sgd": 0}


@dataclass(frozen=True, slots=True)
class Policy:
    """The defaults are the paper's program (Korthikanti et al. 2022), kernel by kernel."""

    attention: str = "scores"  # scores: the matrix is kept | flash: it never exists
    fused_mlp: bool = False  # a gated MLP keeps gate, up and product, not the activated gate too
    fused_loss: bool = False  # logits stay in the model's dtype
    tied: bool = False  # embedding and head are one matrix
    dropout: bool = True  # of gpt
    optimizer: str = "adam"
    grad_dtype: str | None = None  # of main gradients; None: float32, or the model's where that is wider

    def gradient_bytes(self, model: ModelShape) -> int:
        """Bytes of one parameter's gradient."""
        if self.grad_dtype is not None:
            return DTYPE_BYTES[self.grad_dtype]
        return max(DTYPE_BYTES[model.dtype], 4)

    def optimizer_bytes(self, model: ModelShape) -> int:
        """Bytes of one parameter's moments, with a master copy in mixed precision."""
        size = DTYPE_BYTES[model.dtype]
        main = max(size, 4)
        return OPTIMIZER_MOMENTS[self.optimizer] * main + (main if size < main else 0)


PAPER = Policy()
