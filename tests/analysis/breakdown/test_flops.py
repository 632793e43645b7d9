"""Floating point operations: of shapes on paper, of nested calls, and as torch counts them itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commscope.analysis.breakdown.flops import flops_of
from commscope.analysis.rank import analyze_rank
from commscope.readers.slim.parquet_file import read_trace, write_trace
from commscope.trace import CommFacts, RankTrace
from tests.readers.chrome_files import kernel, op, read, text_of

Dims = list[list[int]]
PAPER: list[tuple[str, Dims, int | None]] = [
    ("mm", [[2, 3], [3, 5]], 60),
    ("addmm", [[5], [2, 3], [3, 5], [], []], 60),
    ("bmm", [[7, 2, 3], [7, 3, 5]], 420),
    ("baddbmm", [[7, 2, 5], [7, 2, 3], [7, 3, 5]], 420),
    ("linear", [[4, 2, 3], [5, 3], [5]], 240),
    ("matmul", [[4, 1, 2, 3], [6, 3, 5]], 1440),
    ("matmul", [[2, 3], [3]], 12),
    ("matmul", [[3], [3, 5]], 30),
    ("addmv", [[2], [2, 3], [3]], 12),
    ("dot", [[3], [3]], 6),
    ("scaled_dot_product_attention", [[2, 8, 10, 4], [2, 2, 12, 4], [2, 2, 12, 6]], 38_400),
    ("_scaled_dot_product_flash_attention_backward", [[], [1, 1, 2, 3], [1, 1, 2, 3], [1, 1, 2, 3]], 120),
    ("mm", [[2, 3], [4, 5]], None),
    ("mm", [[2, 3]], None),
    ("mm", [[0, 3], [3, 5]], 0),
    ("scaled_dot_product_attention", [[3], [3], [3]], None),
    ("convolution", [[1, 2, 8, 8], [4, 2, 3, 3]], None),
]


def of_rank(trace: RankTrace) -> dict[str, int] | None:
    """Operations by phase of the whole capture."""
    (capture, *_) = analyze_rank(trace).breakdown
    found = capture.flops_by_phase
    return None if found is None else {str(phase): flops for phase, flops in found.items()}


def on_gloo(*events: dict[str, Any]) -> bytes:
    """A trace whose host is the device."""
    return text_of([*events], distributedInfo={"backend": "gloo", "rank": 0, "world_size": 1})


def product(name: str, ts: float, dims: Any, dur: float = 5) -> dict[str, Any]:
    return op(f"aten::{name}", ts, dur, Input_Dims=dims)


@pytest.mark.parametrize(("name", "dims", "flops"), PAPER)
def test_operations_of_shapes_on_paper(name: str, dims: Dims, flops: int | None) -> None:
    assert flops_of(f"aten::{name}", CommFacts(shapes=tuple(map(tuple, dims)))) == flops


def test_the_innermost_of_nested_products_counts(tmp_path: Path) -> None:
    """DTensor's mm of the whole runs the shard's inside, and linear runs matmul, which runs mm."""
    events = [
        product("linear", 0, [[2, 4], [6, 4], []], 20),
        product("matmul", 1, [[2, 4], [4, 6]], 10),
        product("mm", 2, [[2, 4], [4, 3]]),
        product("mm", 30, [[1, 2], [2, 1]]),
    ]
    assert of_rank(read(tmp_path, on_gloo(*events))) == {"forward": 2 * 2 * 4 * 3 + 4}


KNOWN = product("mm", 0, [[2, 3], [3, 5]])
UNKNOWN = {
    "no shapes": op("aten::mm", 10, 5),
    "no list": product("mm", 10, "cut"),
    "no product": product("mm", 10, [[2, 3], [4, 5]]),
    "nested": product("mm", 10, [[2, 3], [3, [5]]]),
    "too large": product("mm", 10, [[2**62, 2**62], [2**62, 2**62]]),
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_all_known_is_absent_and_not_less(unknown: dict[str, Any], tmp_path: Path) -> None:
    assert of_rank(read(tmp_path, on_gloo(KNOWN))) == {"forward": 60}
    assert of_rank(read(tmp_path, on_gloo(KNOWN, unknown))) is None


@pytest.mark.parametrize(
    ("call", "found"), [("cudaLaunchKernel", {"forward": 60}), ("cudaGraphLaunch", None)]
)
def test_a_graph_runs_products_that_no_operator_tells(call: str, found: Any, tmp_path: Path) -> None:
    launch = op(call, 2, 1, cat="cuda_runtime", correlation=1)
    assert of_rank(read(tmp_path, text_of([KNOWN, launch, kernel("gemm", 9, 5, correlation=1)]))) == found


@pytest.mark.parametrize(
    ("launched_us", "flops"), [(2, {"forward": 60}), (7, None)], ids=["own", "another's"]
)
def test_a_product_that_another_operator_launched_is_not_left_out(
    launched_us: float, flops: Any, tmp_path: Path
) -> None:
    """As Transformer Engine and flash-attn do: no shapes tell what their kernels compute."""
    others = op("te::linear", 6, 4)
    launch = op("cudaLaunchKernel", launched_us, 1, cat="cuda_runtime", correlation=1)
    gemm = kernel("sm90_xmma_gemm_bf16bf16_tn", 20, 5, correlation=1)
    assert of_rank(read(tmp_path, text_of([KNOWN, others, launch, gemm]))) == flops


def test_shapes_are_kept_once_and_survive_the_slim_file(tmp_path: Path) -> None:
    trace = read(tmp_path, on_gloo(*(product("mm", 10 * k, [[2, 3], [3, 5]]) for k in range(9))))
    assert [facts.shapes for facts in trace.events.comms] == [((2, 3), (3, 5))]
    write_trace(trace, tmp_path / "rank0.parquet", content="")
    slim, _ = read_trace(tmp_path / "rank0.parquet")
    assert of_rank(slim) == {"forward": 9 * 60}


@pytest.mark.record
def test_recorded_operations_are_those_torch_counts(tmp_path: Path) -> None:
    """An independent count: torch.utils.flop_counter of the same calls."""
    torch = pytest.importorskip("torch")
    from torch.profiler import ProfilerActivity, profile
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    def work() -> None:
        image = torch.randn(2, 4, 9, 8, requires_grad=True)
        image = torch.nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2)(image)
        image = torch.nn.ConvTranspose2d(6, 4, 3, stride=2)(image)
        heads = torch.nn.Linear(image.shape[-1], 48)(image).reshape(2, -1, 3, 16).transpose(1, 2)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            attended = torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        (attended @ torch.randn(16, 5)).sum().backward()
        torch.einsum("bij,bjk->bik", torch.randn(3, 4, 5), torch.randn(3, 5, 2))

    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        work()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    with FlopCounterMode(display=False) as counter:
        work()
    found = json.loads((tmp_path / "trace.json").read_bytes())
    counted = of_rank(read(tmp_path, on_gloo(*found["traceEvents"])))
    assert counted is not None
    assert sum(counted.values()) == counter.get_total_flops()
    heads = ((2, 8, 10, 4), (2, 8, 12, 4), (2, 8, 12, 6))
    name = "aten::_scaled_dot_product_flash_attention"
    assert flops_of(name, CommFacts(shapes=heads)) == sdpa_flop_count(*heads)
    gradient = (2, 8, 10, 6)
    backward = flops_of(f"{name}_backward", CommFacts(shapes=(gradient, *heads)))
    assert backward == sdpa_backward_flop_count(gradient, *heads)
