"""Operators that multiply matrices, whose shapes tell next to all arithmetic of a model: by name."""

from __future__ import annotations

import re

_PRODUCTS = re.compile(
    r"aten::(mm|mv|dot|addmm|addmv|_addmm_activation|_scaled_mm|_int_mm|bmm|baddbmm|matmul|linear"
    r"|convolution|convolution_backward|_?scaled_dot_product_\w+)"
)


def multiplies(name: str) -> bool:
    """Whether an operator of this name is a product whose operations its shapes tell."""
    return _PRODUCTS.fullmatch(name) is not None
