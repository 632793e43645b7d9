"""Incremental split of a Chrome trace.

Takes blocks of bytes, gives batches of decoded events; never holds the whole text.

Text is cut where one event ends and the next begins, then decoded. Success proves the cut, since a cut
anywhere else leaves a bracket open.
Where decoding fails the text is bisected, so one bad event costs one event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from commscope.readers.chrome.event import Event, decode_loose, decode_typed, repair
from commscope.readers.chrome.head import read_head
from commscope.readers.files.values import NOT_JSON, json_loose

CHUNK_BYTES = 1 << 18
EVENT_LIMIT_BYTES = 32 << 20
TAIL_LIMIT_BYTES = 32 << 20
TAIL_TRIES = 64

_KEYS = rb"ph|name|cat|ts|pid|tid|dur|args|bp|s|id|tts|tdur|sf"
_CUT = re.compile(rb'\}\s*,\s*(?=\{\s*"(?:' + _KEYS + rb')"\s*:)')
_ANY_CUT = re.compile(rb'\}\s*,\s*(?=\{\s*"[^"\\]{1,40}"\s*:)')
_END = re.compile(rb'(?:\A|(?<=[\s},]))\](?=\s*(?:,\s*"[^"\\]{1,80}"\s*:|\}\s*\Z|\Z))')
_ANY = msgspec.json.Decoder()


Take = Callable[[bytes | memoryview], bool]


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded events and the text they came from."""

    text: bytes
    events: list[Event]


@dataclass(slots=True)
class Outcome:
    """Filled while batches are taken: metadata of the top level, and what went wrong."""

    meta: dict[str, Any] = field(default_factory=dict)
    is_trace: bool = False
    truncated: bool = False
    bad: int = 0
    salvaged: int = 0
    bad_meta: bool = False


def batches(blocks: Iterator[bytes], outcome: Outcome, take: Take) -> Iterator[Batch]:
    """All events of a trace in batches, but for stretches that `take` takes.

    `outcome` is complete when the iteration ends.
    """
    buffer = _begin(blocks, outcome)
    if not outcome.is_trace:
        return
    enough = CHUNK_BYTES
    for block in blocks:
        buffer += block
        if len(buffer) < enough:
            continue
        cut = _last_cut(buffer)
        if cut < 0:
            if len(buffer) > EVENT_LIMIT_BYTES:
                outcome.bad += 1
                del buffer[:-CHUNK_BYTES]
            # Looked at again only when twice as long: else text without an event takes quadratic time.
            enough = min(2 * len(buffer), EVENT_LIMIT_BYTES + 1)
            continue
        enough = CHUNK_BYTES
        if _taken(take, buffer, cut):
            del buffer[: buffer.index(b"{", cut)]
            continue
        text = bytes(buffer[:cut])
        try:
            batch = Batch(text, decode_typed(text))
        except NOT_JSON:
            buffer += _more(blocks) if _END.search(text) else b""
            if _tail_start(buffer) >= 0:
                break
            yield from salvage(text, outcome)
        else:
            yield batch
        del buffer[: buffer.index(b"{", cut)]
    yield from _last(buffer, outcome, take)


def _taken(take: Take, buffer: bytearray, end: int) -> bool:
    with memoryview(buffer) as view, view[:end] as text:
        return take(text)


def _begin(blocks: Iterator[bytes], outcome: Outcome) -> bytearray:
    """Reads up to the first event; what stands before is metadata."""
    head = read_head(blocks)
    outcome.is_trace = head.events_at >= 0
    if not outcome.is_trace:
        return head.text
    if not head.is_list:
        before = bytes(head.text[: head.key_at]).rstrip().rstrip(b",")
        outcome.meta.update(_metadata(before + b"}", outcome))
    return head.text[head.events_at :]


def _more(blocks: Iterator[bytes]) -> bytes:
    taken = bytearray()
    for block in blocks:
        taken += block
        if len(taken) > TAIL_LIMIT_BYTES:
            break
    return bytes(taken)


def _last_cut(buffer: bytearray) -> int:
    """Offset right after the last event that is surely complete."""
    window = 1 << 12
    while True:
        start = max(0, len(buffer) - window)
        found = -1
        for match in _CUT.finditer(buffer, start):
            found = match.start() + 1
        if found < 0 and start == 0:  # events that begin with a key of their own
            found = max((match.start() + 1 for match in _ANY_CUT.finditer(buffer)), default=-1)
            found = found if found >= 0 and _try(bytes(buffer[:found])) else -1
        if found >= 0 or start == 0:
            return found
        window *= 16


def _tail_start(buffer: bytearray) -> int:
    """Offset of the bracket that closes the events, -1 for none: the first that leaves one whole object.

    Seen from the end, brackets inside the metadata come first, then the one wanted, then brackets inside
    events.
    """
    found, failures = -1, 0
    for end in reversed([match.end() for match in _END.finditer(buffer)]):
        if _completes(buffer, end):
            found, failures = end - 1, 0
        else:
            failures += 1
        if failures > TAIL_TRIES:
            break
    return found


def _completes(buffer: bytearray, end: int) -> bool:
    rest = bytes(buffer[end:]).strip() if len(buffer) - end < 64 else b"?"
    if rest in {b"", b"}"}:
        return True
    opening = b'{"":0'
    start = end - len(opening)
    if start < 0:
        return _is_json(opening + bytes(buffer[end:]))
    # Written over in place and put back: copying the rest for every bracket would take quadratic time.
    kept = bytes(buffer[start:end])
    buffer[start:end] = opening
    with memoryview(buffer) as view, view[start:] as part:
        proven = _is_json(part)
    buffer[start:end] = kept
    return proven


def _is_json(text: bytes | memoryview) -> bool:
    try:
        _ANY.decode(text)
    except NOT_JSON:
        return False
    return True


def _last(buffer: bytearray, outcome: Outcome, take: Take) -> Iterator[Batch]:
    """The last events and the metadata behind them."""
    end = _tail_start(buffer)
    if end < 0:
        outcome.truncated = True
        yield from _cut_short(bytes(buffer).strip(), outcome)
        return
    rest = bytes(buffer[end + 1 :]).strip()
    if rest.startswith(b","):
        outcome.meta.update(_metadata(b"{" + rest[1:], outcome))
    text = bytes(buffer[:end]).strip().rstrip(b", \t\r\n")
    if text and not take(text):
        yield from _whole(text, outcome)


def _whole(text: bytes, outcome: Outcome) -> Iterator[Batch]:
    try:
        batch = Batch(text, decode_typed(text))
    except NOT_JSON:
        yield from salvage(text, outcome)
    else:
        yield batch


def _cut_short(text: bytes, outcome: Outcome) -> Iterator[Batch]:
    """Events of a file that ends in the middle; the one it ends in is lost, which `truncated` says."""
    last = _try(text.rstrip(b",")) if text else None
    if last is not None:
        yield last
        return
    matches = list(_CUT.finditer(text))
    if matches:
        yield from _whole(text[: matches[-1].start() + 1], outcome)
        last = _try(text[matches[-1].end() :].rstrip(b",] \r\n\t"))
        if last is not None:
            yield last


def _metadata(text: bytes, outcome: Outcome) -> dict[str, Any]:
    text = text.lstrip(b"\xef\xbb\xbf")
    if text.strip() in {b"{}", b"{ }"}:
        return {}
    try:
        value = msgspec.json.decode(text)
    except NOT_JSON:
        value = json_loose(text)
        outcome.bad_meta = outcome.bad_meta or value is None
    return value if isinstance(value, dict) else {}


def salvage(text: bytes, outcome: Outcome) -> Iterator[Batch]:
    """Every event of a text that can be had; bisects down to the ones that cannot, and counts those."""
    pieces = _pieces(text)
    broken: list[bytes] = []
    for good, part in _sieve(pieces, 0, len(pieces)):
        if good is None:
            broken.append(part)
            continue
        yield from _mend(broken, outcome)
        broken = []
        yield good
    yield from _mend(broken, outcome)


def _pieces(text: bytes) -> list[bytes]:
    starts = [0]
    ends = []
    for match in _CUT.finditer(text):
        ends.append(match.start() + 1)
        starts.append(match.end())
    ends.append(len(text))
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _sieve(pieces: list[bytes], low: int, high: int) -> Iterator[tuple[Batch | None, bytes]]:
    """Good batches, and single pieces that fail, in order."""
    stack = [(low, high)]
    while stack:
        low, high = stack.pop()
        part = b",".join(pieces[low:high])
        batch = _try(part)
        if batch is not None:
            yield batch, part
        elif high - low == 1:
            yield None, part
        else:
            middle = (low + high) // 2
            stack += [(middle, high), (low, middle)]


def _try(text: bytes) -> Batch | None:
    try:
        return Batch(text, decode_typed(text))
    except NOT_JSON:
        pass
    try:
        return Batch(*decode_loose(text))
    except NOT_JSON:
        return None


def _mend(broken: list[bytes], outcome: Outcome) -> Iterator[Batch]:
    """Pieces that fail alone may be one event cut in its arguments; else each is repaired or lost."""
    if not broken:
        return
    together = _try(b",".join(broken)) if len(broken) > 1 else None
    if together is not None:
        yield together
        return
    for piece in broken:
        try:
            yield Batch(*repair(piece))
            outcome.salvaged += 1
        except NOT_JSON:
            outcome.bad += 1
