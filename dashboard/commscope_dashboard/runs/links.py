"""The link between a run's GPUs, as run.json tells it: folder of a run -> nominal GB/s one way."""

from __future__ import annotations

import json
from pathlib import Path

from commscope.figures.volume.busbw import Reference
from commscope.readers.runs.manifest import MANIFEST

# One way and one NVLink of the second to fourth generation (V100, A100, H100, H200): NVIDIA's data sheets
# give 300, 600 and 900 GB/s both ways for 6, 12 and 18 of them. The fifth doubles it.
_NVLINK_GBPS, _NVLINK5_GBPS = 25.0, 50.0
_FIFTH = ("B100", "B200", "B300", "GB200", "GB300")


def link_of(run: Path, devices: tuple[str, ...]) -> Reference | None:
    """The weakest NVLink between two GPUs of the run; None where there is none or it is not known."""
    try:
        links = json.loads((run / MANIFEST).read_text(encoding="utf-8")).get("links")
    except (OSError, ValueError, AttributeError):
        return None
    rows = [row for row in links or () if isinstance(row, dict)]
    counts = [int(row.get("nvlinks") or 0) for row in rows]
    if not counts or min(counts) < 1:
        return None
    fifth = any(name in device for device in devices for name in _FIFTH)
    weakest = min(counts)
    return Reference(f"NVLink × {weakest}, nominal", weakest * (_NVLINK5_GBPS if fifth else _NVLINK_GBPS))
