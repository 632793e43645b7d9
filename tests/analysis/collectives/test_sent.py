"""Bytes a rank sends, worked out on paper."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from commscope.analysis.collectives.sent import Splits, sent_bytes
from commscope.schema import Collective


def test_a_receive_sends_nothing_and_a_send_its_payload() -> None:
    assert sent_bytes(Collective.RECV, 4096, (2, 0), None) == 0
    assert sent_bytes(Collective.SEND, 4096, (2, 0), None) == 4096


def test_an_uneven_all_to_all_sends_all_but_the_own_share() -> None:
    """9 of 10 rows of 1,000 bytes stay, 1 goes to rank 3; rank 3 keeps all of its 10."""
    assert sent_bytes(Collective.ALL_TO_ALL, 13_000, (4, 0), Splits((9, 0, 0, 1), 10_000)) == 1_000
    assert sent_bytes(Collective.ALL_TO_ALL, 13_000, (4, 3), Splits((0, 0, 0, 10), 10_000)) == 0


def test_without_the_own_place_the_own_share_is_not_known() -> None:
    assert sent_bytes(Collective.ALL_TO_ALL, 13_000, (4, None), Splits((9, 0, 0, 1), 10_000)) is None


@given(ranks=st.integers(2, 16), rows=st.integers(1, 1000))
def test_even_splits_are_the_ring_model(ranks: int, rows: int) -> None:
    payload = rows * ranks * 4
    splits = Splits((rows,) * ranks, payload)
    assert sent_bytes(Collective.ALL_TO_ALL, payload, (ranks, ranks - 1), splits) == sent_bytes(
        Collective.ALL_TO_ALL, payload, (ranks, None), None
    )
