"""The tree of pairs that share most instances: what the plain search over all pairs would take."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.analysis.alignment.instance_blocks import Block
from commscope.analysis.clocks.fit import _pair_median, _tree
from commscope.trace import Int64

RANKS = 7


def by_all_pairs(blocks: list[Block], count: int) -> Int64:
    shared = np.zeros((count, count), dtype=np.int64)
    for block in blocks:
        shared[np.ix_(block.members, block.members)] += len(block.instance)
    np.fill_diagonal(shared, 0)
    offsets = np.zeros(count, dtype=np.int64)
    reached = np.zeros(count, dtype=np.bool_)
    for _ in range(count):
        pairs = np.where(reached[:, None] & ~reached[None, :], shared, 0)
        source, target = np.unravel_index(int(pairs.argmax()), pairs.shape)
        if pairs[source, target] == 0:
            reached[int(np.flatnonzero(~reached)[0])] = True
            continue
        offsets[target] = offsets[source] + _pair_median(blocks, int(source), int(target))
        reached[target] = True
    return offsets


@st.composite
def some_blocks(draw: st.DrawFn) -> list[Block]:
    blocks = []
    for members in draw(st.lists(st.sets(st.integers(0, RANKS - 1), min_size=2), max_size=6)):
        rows = draw(st.integers(1, 4))
        size = (rows, len(members))
        times = st.lists(st.integers(0, 50), min_size=size[0] * size[1], max_size=size[0] * size[1])
        ends = np.array(draw(times), dtype=np.int64).reshape(size)
        number = np.arange(rows)
        gates = np.ones((len(members), len(members)), dtype=bool)
        blocks.append(Block(number, np.array(sorted(members)), ends, ends - 5, ends, gates))
    return blocks


@settings(max_examples=150, deadline=None)
@given(some_blocks())
def test_the_tree_is_the_one_over_all_pairs(blocks: list[Block]) -> None:
    assert _tree(blocks, RANKS).tolist() == by_all_pairs(blocks, RANKS).tolist()
