"""Files that hold several ranks.

Takes a file, gives its ranks and how to choose the events of one. TraceLens' TraceFuse writes the rank into
every event's arguments; sglang's merger writes a label before every process: `[TP01] 4711`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from commscope.readers.chrome.event import Args, Event
from commscope.readers.files.blocks import Damage, blocks_of

_RANK = re.compile(rb'"rank"\s*:\s*(\d{1,7})\b')
_LABEL = re.compile(rb'"pid"\s*:\s*"\[([^\]"\\]{1,60})\] ')
_NUMBERED = re.compile(r"[A-Za-z _-]*(\d{1,7})")
_BY_LABEL = "pid:"
_KEEP_BYTES = 256
_NO_ARGS = Args()


def fused_ranks(path: Path, head: bytes) -> tuple[tuple[int, str], ...]:
    """Rank and selector of each rank in a file, empty where it holds one; `head` are its first bytes."""
    if _RANK.search(head):
        ranks = sorted(int(rank) for rank in _all(path, _RANK))
        if len(ranks) > 1:
            return tuple((rank, str(rank)) for rank in ranks)
    if not _LABEL.search(head):
        return ()
    labels = sorted(label.decode("utf-8", errors="replace") for label in _all(path, _LABEL))
    if len(labels) < 2:
        return ()
    told = [match and int(match[1]) for match in map(_NUMBERED.fullmatch, labels)]
    known = [rank for rank in told if rank is not None]
    ranks = known if len(set(known)) == len(labels) else list(range(len(labels)))
    return tuple(sorted((rank, _BY_LABEL + label) for rank, label in zip(ranks, labels, strict=True)))


def chosen_by(selector: str) -> Callable[[Event], bool] | None:
    """Whether an event belongs to the rank selected; None where the file holds one rank."""
    if not selector:
        return None
    if selector.startswith(_BY_LABEL):
        start = f"[{selector.removeprefix(_BY_LABEL)}] "
        return lambda event: isinstance(event.pid, str) and event.pid.startswith(start)
    rank = int(selector)
    return lambda event: (event.args or _NO_ARGS).rank == rank


def _all(path: Path, pattern: re.Pattern[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    rest = b""
    for block in blocks_of(path, Damage()):
        text = rest + block
        found.update(pattern.findall(text))
        rest = text[-_KEEP_BYTES:]
    return found
