"""What the programs of the battery share: a model, its data, and the line that tells a step."""

import time

import torch
import torch.distributed as dist

STEPS = 9
_last = [time.perf_counter_ns()]


def model(width: int = 64, depth: int = 4) -> torch.nn.Module:
    """A small network, the same on every rank."""
    torch.manual_seed(1)
    layers = [layer for _ in range(depth) for layer in (torch.nn.Linear(width, width), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))


def batch(step: int, width: int = 64) -> torch.Tensor:
    """Data of a rank and step."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    return torch.randn(16, width, generator=torch.Generator().manual_seed(100 * step + rank))


def told(step: int, loss: torch.Tensor) -> None:
    """Print a step of rank 0: its loss to the last bit, and its time."""
    now = time.perf_counter_ns()
    if not dist.is_initialized() or dist.get_rank() == 0:
        print(f"step {step} loss {float(loss.detach()).hex()} took {now - _last[0]}", flush=True)
    _last[0] = now
