"""What one process communicates inside a block, by the profiler and the same analysis as a recording's."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from commscope.analysis.rank import analyze_rank
from commscope.errors import UsageProblem
from commscope.readers import open_run, read_rank
from commscope.units import format_bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """Collectives of one rank: counts by kind, bytes of all; None where one has no size."""

    counts: dict[str, int] = field(default_factory=dict)
    payload_bytes: int | None = 0
    wire_bytes: int | None = 0
    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    def in_words(self) -> str:
        """`2 all_reduce of 4.00 KiB, 1 all_gather of 64 B`; `nothing`."""
        if self.table.empty:
            return "nothing"
        sizes = self.table["payload_bytes"].astype(object).where(self.table["payload_bytes"].notna(), None)
        groups = Counter(zip(self.table["collective"], sizes, strict=True))
        return ", ".join(f"{count} {kind} of {format_bytes(size)}" for (kind, size), count in groups.items())


@dataclass
class Found:
    """Filled when the block has ended."""

    issued: Issued = field(default_factory=Issued)


@contextmanager
def issued_inside() -> Iterator[Found]:
    """Profile the block. Raises UsageProblem where another profiler runs."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    if torch._C._autograd._profiler_enabled():
        raise UsageProblem(
            "collectives cannot be counted inside another profiler",
            hint="count outside of it, or read its trace",
        )
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    found = Found()
    with profile(activities=activities, record_shapes=True) as profiler:
        yield found
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    with tempfile.TemporaryDirectory(prefix="commscope-") as folder:
        path = Path(folder) / "rank0.json"
        profiler.export_chrome_trace(str(path))
        run = open_run(path)
        table = analyze_rank(read_rank(run.parts[0], run.info)).instances
    found.issued = _summed(table)


def _summed(table: pd.DataFrame) -> Issued:
    def total(column: str) -> int | None:
        return None if table[column].isna().any() else int(table[column].sum())

    counts = Counter(str(kind) for kind in table["collective"])
    return Issued(dict(sorted(counts.items())), total("payload_bytes"), total("wire_bytes"), table)
