"""Links between the GPUs of a machine: the matrix `nvidia-smi topo -m` prints -> Link of each pair."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

PATIENCE_S = 20.0
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_GPU = re.compile(r"GPU(\d+)\Z")
_NVLINK = re.compile(r"NV(\d+)\Z")


@dataclass(frozen=True, slots=True)
class Link:
    """How two GPUs of one host reach each other.

    `kind` in the words of nvidia-smi: NV18 (18 NVLinks together), or PIX, PXB, PHB, NODE, SYS (PCIe, ever
    farther).
    """

    first: int
    second: int
    kind: str
    nvlinks: int = 0
    host: str = ""


def read_links(host: str) -> tuple[Link, ...] | str:
    """Links of this machine, or why they are not known."""
    try:
        told = subprocess.run(
            ["nvidia-smi", "topo", "-m"], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except FileNotFoundError:
        return "there is no nvidia-smi"
    except subprocess.TimeoutExpired:
        return f"nvidia-smi topo -m did not answer within {PATIENCE_S:g} s"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"nvidia-smi topo -m failed: {error}"
    links = parse_links(told.stdout, host)
    return "nvidia-smi topo -m printed no matrix of GPUs" if links is None else links


def parse_links(text: str, host: str = "") -> tuple[Link, ...] | None:
    """The upper half of the matrix; None where there is no matrix, nothing where there is one GPU."""
    rows = [_STYLE.sub("", line).split() for line in text.splitlines()]
    header = next((row for row in rows if row[:1] == ["GPU0"] and row[1:2] != ["X"]), None)
    if header is None:
        return None
    columns = [int(match[1]) for name in header if (match := _GPU.match(name))]
    links = []
    for row in rows:
        match = _GPU.match(row[0]) if row else None
        if match is None or row is header:
            continue
        for second, kind in zip(columns, row[1:], strict=False):
            if int(match[1]) < second:
                links.append(Link(int(match[1]), second, kind, _nvlinks(kind), host))
    return tuple(links)


def _nvlinks(kind: str) -> int:
    match = _NVLINK.match(kind)
    return int(match[1]) if match else 0
