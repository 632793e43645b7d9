"""What the ranks run on: the constants of a GPU and its node, each with its source, all to be overridden.

Rates are GB/s (1e9 B) per direction. `memory_bytes` is what torch may use: what it reports as total, less 3 %
for fragments of the allocator. Efficiency, host time and residual come from real steps where `source` names
some; elsewhere they are assumptions and the residual is wide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commscope.errors import UsageProblem

_USABLE = 0.97
_GIB = 2**30
_ASSUMED = "efficiency and host time assumed, as on h100: no step of this GPU was at hand"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, its node and its network."""

    name: str
    peak_tflops: float  # dense bf16 (v100: fp16), NVIDIA's and AMD's data sheets
    memory_bytes: int
    memory_gbps: float  # nominal rate of its memory
    link_gbps: float  # nominal, all links of one GPU, one direction
    ring_gbps: float  # bus bandwidth a ring reaches within a domain
    nvls_gbps: float | None = None  # one direction's rate of in-switch reduction; None: has none
    gpus_per_node: int = 8  # GPUs of one NVLink domain
    nics_per_node: int = 8
    nic_gbps: float = 50.0
    efficiency: float = 0.48  # of the peak, in matrix products
    product_start_us: float = 0.0  # until a product is that fast: small ones are less efficient
    memory_share: float = 0.8  # of the nominal memory rate, in what is bound by it
    host_ms_per_layer: float = 4.7  # to launch forward and backward of one layer
    hides_backward: bool = True  # collectives behind the weight's gradient: one hardware queue
    context_bytes: int = 3_000_000_000  # outside torch's allocator, and workspaces
    residual: float = 0.25  # worst relative error of predicted steps
    busbw_gbps: tuple[tuple[str, float], ...] = ()  # measured, by collective: wins over the model
    source: str = _ASSUMED


H100_SOURCE = (
    "18 steps of GPT on 8 x H100 (vuiseng9/megatron-tutorials): worst 8.0 %; ring and NVLS: nccl-tests "
    "#212, nccl #1047, #1281; context: the same rows"
)
B200_SOURCE = (
    "16 dense steps of Megatron on 8 x B200 (MooreThreads/SimuMax): worst 6.0 %, backward hides nothing "
    "there; memory: allocator peaks, so the context is not in it; ring: NCCL's 16 channels x 40 GB/s, "
    "NVLS scaled from h100 by link and NCCL's efficiencies, not measured"
)
A100_SOURCE = (
    "Korthikanti et al. 2022, tables 4 and 5: worst 8.3 %; ring: what nccl-tests shows on 8 x A100, not "
    "measured here"
)


def _usable(gib: float) -> int:
    return round(_USABLE * gib * _GIB)


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("v100", 125, _usable(31.7), 900, 150, 120, nics_per_node=4, nic_gbps=12.5),
        Gpu(
            "a100",
            312,
            _usable(79.1),
            2039,
            300,
            230,
            nic_gbps=25,
            efficiency=0.70,
            product_start_us=33,
            residual=0.1,
            source=A100_SOURCE,
        ),
        Gpu("h100", 989, _usable(79.1), 3350, 450, 360, 312, residual=0.09, source=H100_SOURCE),
        Gpu("h200", 989, _usable(139.8), 4800, 450, 360, 312),
        Gpu(
            "b200",
            2250,
            _usable(178.4),
            8000,
            900,
            640,
            543,
            efficiency=0.425,
            host_ms_per_layer=5.4,
            hides_backward=False,
            context_bytes=_GIB // 4,
            residual=0.09,
            source=B200_SOURCE,
        ),
        Gpu("gb200-nvl72", 2500, _usable(184), 8000, 900, 640, 543, gpus_per_node=72, nics_per_node=72),
        Gpu("mi300x", 1307, _usable(192), 5300, 448, 310),
    )
}


def gpu_named(name: str) -> Gpu:
    """The GPU of that name. Raises UsageProblem."""
    if name not in GPUS:
        raise UsageProblem(f"--gpu {name} is unknown", hint=f"one of {', '.join(GPUS)}")
    return GPUS[name]


_DEVICES = re.compile(r"\b(?P<name>V100|A100|H100|H200|B200|GB200|MI300X)\b")
_SLOWER = re.compile(r"\b(MIG|NVL|PCI[Ee])\b")  # a part of a GPU, or lower clocks
_AS_FAST = "A100"  # on PCIe too


def gpu_of_device(device: str) -> Gpu | None:
    """The GPU that a trace names, `NVIDIA H100 80GB HBM3`; None where its peak is not in the table."""
    found, slower = _DEVICES.search(device), _SLOWER.search(device)
    if found is None or (slower and (found["name"] != _AS_FAST or slower[0] == "MIG")):
        return None
    return GPUS[{"GB200": "gb200-nvl72"}.get(found["name"], found["name"].lower())]
