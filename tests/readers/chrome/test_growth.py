"""Twice the text, about twice the work: counted, not timed."""

from __future__ import annotations

import pytest

from commscope.readers.chrome import split
from commscope.readers.chrome.decode import decode

BLOCK_BYTES = 1 << 18


@pytest.mark.parametrize("piece", [b"},{", b"}],", b"],[", b"x"])
def test_text_without_an_event_is_looked_at_a_few_times(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = {size: looked_at_bytes(piece, size << 20, monkeypatch) for size in (6, 12)}
    assert looked[6] < 3 * (6 << 20)
    assert looked[12] <= 2.5 * looked[6]


def looked_at_bytes(piece: bytes, size: int, monkeypatch: pytest.MonkeyPatch) -> int:
    seen = []
    with monkeypatch.context() as patch:
        real = split._last_cut
        patch.setattr(split, "_last_cut", lambda buffer: (seen.append(len(buffer)), real(buffer))[1])
        text = b'{"traceEvents": [' + piece * (size // len(piece))
        decode(text[at : at + BLOCK_BYTES] for at in range(0, len(text), BLOCK_BYTES))
    return sum(seen)
