"""A shard that is kept for backward holds its own bytes, not those of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")


def test_a_shard_does_not_keep_the_whole_alive() -> None:
    from commscope_workloads.model.comm import alone

    from commscope.record.marks.ledger import Ledger, Marks
    from commscope.record.marks.ranges import open_timelines

    comm = replace(alone(Marks(open_timelines(), Ledger())), size=4, rank=1)
    whole = torch.arange(64.0).reshape(16, 4)
    shard = comm.split(whole)
    assert torch.equal(shard, whole[4:8])
    assert shard.untyped_storage().nbytes() == whole.untyped_storage().nbytes() // 4
