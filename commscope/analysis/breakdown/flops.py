"""Floating point operations of one product from the shapes of its inputs: name and CommFacts -> int or None.

A product of m x k and k x n is 2mkn operations, a backward of a convolution one or two forwards, of attention
five products (scores once more, and four gradients); masks save nothing. As torch.utils.flop_counter has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

from commscope.trace import CommFacts

Shape = tuple[int, ...]
_PLAIN = re.compile(r"aten::(?:_scaled_mm|_int_mm|mm|bmm|matmul|mv|dot)")
_ADDING = re.compile(r"aten::(?:addmm|_addmm_activation|baddbmm|addmv)")
_ATTENTION = re.compile(r"aten::_?scaled_dot_product_\w+?(?P<backward>_backward)?")


def flops_of(name: str, facts: CommFacts) -> int | None:
    """Operations of one call; None where the shapes are not those of such a call."""
    try:
        found = _flops(name, facts.shapes, facts.concrete)
    except (IndexError, ValueError, ArithmeticError):
        return None
    return found if found >= 0 else None


def _flops(name: str, shapes: Sequence[Shape], concrete: Sequence[str]) -> int:
    if _PLAIN.fullmatch(name):
        return _product(shapes[0], shapes[1])
    if _ADDING.fullmatch(name):
        return _product(shapes[1], shapes[2])
    if name == "aten::linear":
        return _product(shapes[0], shapes[1][::-1])
    if attention := _ATTENTION.fullmatch(name):
        return _attention(shapes, is_backward=bool(attention["backward"]))
    if name == "aten::convolution":
        return _convolution(shapes[0], shapes[1], concrete)
    if name == "aten::convolution_backward":
        return _convolution_backward(shapes, concrete)
    raise ValueError(name)


def _product(left: Shape, right: Shape) -> int:
    """Batches broadcast; a vector on the left is one row, on the right one column."""
    (*batch, inner), columns = left, right[-1] if len(right) > 1 else 1
    if inner != right[-2 if len(right) > 1 else 0]:
        raise ValueError(f"{left} x {right}")
    rows = batch.pop() if batch else 1
    others = right[:-2]
    longest = max(len(batch), len(others))
    pairs = zip(_padded(batch, longest), _padded(others, longest), strict=True)
    return 2 * prod(max(pair) if min(pair) else 0 for pair in pairs) * rows * inner * columns


def _padded(batch: Sequence[int], length: int) -> Shape:
    return (*(1,) * (length - len(batch)), *batch)


def _attention(shapes: Sequence[Shape], *, is_backward: bool) -> int:
    """Scores over the query's heads, and context.

    Backward, which is given the gradient first, makes the scores anew and has two products for each.
    """
    query, key, value = shapes[is_backward : 3 + is_backward]
    *batch, rows, inner = query
    scores = 2 * prod(batch) * rows * key[-2] * inner
    context = 2 * prod(batch) * rows * key[-2] * value[-1]
    return 3 * scores + 2 * context if is_backward else scores + context


def _convolution(image: Shape, weight: Shape, concrete: Sequence[str]) -> int:
    """Weight x batch x places of the output, of a transposed one of the input: stride, padding, dilation,
    transposed."""
    stride, padding, dilation = (_numbers(text) for text in concrete[3:6])
    places: Sequence[int] = image[2:]
    if concrete[6] != "True":
        kernel = weight[2:]
        places = [
            (size + 2 * _at(padding, i) - _at(dilation, i) * (kernel[i] - 1) - 1) // _at(stride, i) + 1
            for i, size in enumerate(places)
        ]
    return 2 * image[0] * prod(weight) * prod(places)


def _convolution_backward(shapes: Sequence[Shape], concrete: Sequence[str]) -> int:
    """One forward for the gradient of the input, one for that of the weight, as its output mask says."""
    gradient, image, weight = shapes[:3]
    places = (image if concrete[7] == "True" else gradient)[2:]
    wanted = sum(word.strip() == "True" for word in concrete[10].strip("[]").split(",")[:2])
    return wanted * 2 * gradient[0] * prod(weight) * prod(places)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.strip("[]").split(",")]


def _at(numbers: Sequence[int], place: int) -> int:
    """One number may stand for all dimensions."""
    return numbers[place if len(numbers) > 1 else 0]
