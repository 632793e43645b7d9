"""What NCCL's own NVTX ranges say of communicators.

Takes an export, gives sizes of communicators, and the rank of each process and device where its
initialisation was captured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from commscope.readers.files.claims import believed
from commscope.readers.files.values import as_count, as_text
from commscope.readers.nsys import tables
from commscope.readers.nsys.nvtx import parse_payload
from commscope.readers.nsys.sqlite_file import Database

_MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Communicators:
    """Communicators by NCCL's number, and ranks by process and device in the largest of them."""

    sizes: dict[str, int] = field(default_factory=dict)
    ranks: dict[tuple[int, int], int] = field(default_factory=dict)
    world_size: int | None = None


def communicators(base: Database) -> Communicators:
    """Read from the payload of ncclCommInit ranges (nccl/src/include/nvtx_payload_schemas.h)."""
    sizes: dict[str, int] = {}
    said: list[tuple[int, int, int, int]] = []  # size, process, device, rank
    for process, text in _payloads(base):
        payload = parse_payload(text)
        size, rank = as_count(payload.get("No. of ranks")), as_count(payload.get("Rank"))
        device, name = as_count(payload.get("CUDA device")), as_text(payload.get("NCCL communicator ID"))
        if size is None or believed(size) is None or rank is None or rank >= size:
            continue
        if name is not None:
            sizes[name] = size
        if device is not None:
            said.append((size, process, device, rank))
    world_size = max((size for size, *_ in said), default=None)
    ranks: dict[tuple[int, int], int] = {}
    for size, process, device, rank in said:
        if size == world_size:
            ranks.setdefault((process, device), rank)
    return Communicators(sizes, ranks if len(set(ranks.values())) == len(ranks) else {}, world_size)


def _payloads(base: Database) -> list[tuple[int, str]]:
    """Process and payload of every range that initialises a communicator."""
    columns = base.columns(tables.NVTX)
    named = "textId" in columns and {"id", "value"} <= base.columns("StringIds")
    if not {"globalTid", "jsonText"} <= columns or not (named or "text" in columns):
        return []
    join = " LEFT JOIN StringIds s ON n.textId = s.id" if named else ""
    text = "COALESCE(n.text, s.value)" if named and "text" in columns else "s.value" if named else "n.text"
    rows = base.rows(
        f"SELECT (CAST(n.globalTid AS INTEGER) >> {tables.THREAD_BITS}) << {tables.THREAD_BITS}, n.jsonText"
        f" FROM {tables.NVTX} n{join}"
        f" WHERE n.jsonText IS NOT NULL AND {text} LIKE 'ncclComm%' LIMIT {_MOST_ROWS}"
    )
    return [(row[0] or 0, str(row[1])) for row in rows]
