"""Are real recordings matched while another program takes a core: `python -m benchmarks.matched_under_load`.

Records small gloo scripts (DDP on 2 ranks; all-reduces over both axes of a 2 x 2 mesh; tensor parallel by
data parallel on 4 ranks) beside a loop that never sleeps. Prints, of each kind, how many recordings are
matched whole, the instances that are not, and how far any clock of this one host was told off.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import MANIFEST, RecordRequest
from commscope.record.launcher.launch import record

BUSY = "while True: pass"
START = """
import torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())
"""
DDP = (
    START
    + """
from torch.nn.parallel import DistributedDataParallel

model = DistributedDataParallel(
    torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(6))), bucket_cap_mb=0.5
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(9):
    model(torch.randn(64, 256)).pow(2).mean().backward()
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""
)
TWO_AXES = (
    START
    + """
mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("x", "y"))
layers = [torch.nn.Linear(128, 128) for _ in range(3)]
optimizer = torch.optim.SGD([p for layer in layers for p in layer.parameters()], lr=0.01)
for step in range(9):
    h = torch.randn(32, 128)
    for layer in layers:
        h = layer(h)
        for axis in ("x", "y"):
            dist.all_reduce(h.detach(), group=mesh.get_group(axis))
    h.pow(2).mean().backward()
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""
)
TP_BY_DP = (
    START
    + """
mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
layers = [torch.nn.Linear(128, 128) for _ in range(3)]
optimizer = torch.optim.SGD([p for layer in layers for p in layer.parameters()], lr=0.01)
for step in range(9):
    h = torch.randn(128, 128)
    for layer in layers:
        h = layer(h)
        dist.all_reduce(h.detach(), group=mesh.get_group("tp"))
    h.pow(2).mean().backward()
    for layer in layers:
        dist.all_reduce(layer.weight.grad, group=mesh.get_group("dp"))
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A script and on how many ranks it runs."""

    script: str
    ranks: int


KINDS = {"ddp": Kind(DDP, 2), "two-axes": Kind(TWO_AXES, 4), "tp-by-dp": Kind(TP_BY_DP, 4)}


@contextmanager
def busy() -> Iterator[None]:
    """A loop that keeps a core, until the block ends."""
    loop = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one recording."""

    instances: int
    matched: int
    clock_error_ns: int | None  # of the worst rank; None: no clock was told


def recorded(folder: Path, kind: Kind) -> Path:
    """One recording of a script."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "train.py"
    script.write_text(kind.script, encoding="utf-8")
    asked = (str(script),)
    return record(
        RecordRequest(folder / "run", script.name, asked, nproc=kind.ranks, steps=3, warmup=2, backend="gloo")
    )


def told(run: Path) -> Told:
    """One recording, analyzed."""
    analysis = analyze(open_run(run), jobs=1)
    offsets = None if analysis.clock is None else analysis.clock.offsets_ns.values()
    worst = None if offsets is None else max(abs(one) for one in offsets)
    return Told(analysis.matching.instances, analysis.matching.matched, worst)


def main() -> None:
    """Print one line a kind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recordings", type=int, default=33, help="of DDP; a third of them of the others")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this; again for more")
    parser.add_argument("--keep", help="a folder for the recordings; those it holds are only analyzed again")
    arguments = parser.parse_args()
    for name in arguments.kind or KINDS:
        count = arguments.recordings if name == "ddp" else max(1, arguments.recordings // 3)
        found = []
        for n in range(count):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(arguments.keep or folder) / f"{name}-{n}"
                if not (place / "run" / MANIFEST).exists():
                    with busy():
                        recorded(place, KINDS[name])
                found.append(told(place / "run"))
        whole = sum(one.matched == one.instances for one in found)
        clocked = [one.clock_error_ns for one in found if one.clock_error_ns is not None]
        print(
            f"{name}: {whole} of {count} recordings matched whole, "
            f"{sum(one.matched for one in found)} of {sum(one.instances for one in found)} instances; "
            f"clock of {len(clocked)} told, at most {max(clocked, default=0)} ns off",
            flush=True,
        )


if __name__ == "__main__":
    main()
