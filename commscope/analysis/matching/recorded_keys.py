"""Matching by what the program wrote down: Comms Id, else (group, sequence number)."""

from __future__ import annotations

import numpy as np

from commscope.analysis.rows import ABSENT, UNKNOWN_CODE, Rows
from commscope.trace import Int64, Mask


def by_comms_id(rows: Rows) -> Int64:
    """A key for each collective row with a Comms Id, -1 elsewhere. Point-to-point ids repeat and prove
    nothing.
    """
    return np.where(rows.is_p2p, ABSENT, rows.comms)


def by_group_and_seq(rows: Rows) -> Int64:
    """A key for each collective row whose group and sequence number are known and whose members are
    unmistakable.

    A replayed CUDA graph says the same numbers each time: then the step tells the replays apart, and rows
    outside every step have no key.
    """
    usable = ~rows.is_p2p & (rows.label >= 0) & (rows.seq >= 0) & ~shares_its_label(rows)
    key = numbered(np.where(usable, rows.label, ABSENT), rows.seq)
    again = np.isin(rows.label, np.unique(rows.label[_recurs(rows, key)])) & (key >= 0)
    if not again.any():
        return key
    return numbered(key, np.where(again, rows.step, int(rows.step.max(initial=0)) + 1))


def _recurs(rows: Rows, key: Int64) -> Mask:
    """Rows whose key their rank has used before it used others of the same group."""
    recurs = np.zeros(len(key), dtype=np.bool_)
    used = np.flatnonzero(key >= 0)
    order = used[np.lexsort((rows.start_ns[used], rows.label[used], rows.rank[used]))]
    k = key[order]
    fresh = np.r_[True, k[1:] != k[:-1]] if len(k) else np.zeros(0, dtype=np.bool_)
    begins = order[fresh]  # one row for each run of equal keys
    again = np.ones(len(begins), dtype=np.bool_)
    again[np.unique(np.stack((rows.rank[begins], key[begins])), axis=1, return_index=True)[1]] = False
    recurs[begins[again]] = True
    return recurs


def shares_its_label(rows: Rows) -> Mask:
    """Rows whose group name stands for several rank sets: more ranks use it than the group has members."""
    crowded = np.zeros(len(rows), dtype=np.bool_)
    for label in np.unique(rows.label[rows.label >= 0]):
        here = rows.label == label
        size = rows.size[here].max()
        if (rows.members[here] < 0).any() and 0 < size < len(np.unique(rows.rank[here])):
            crowded |= here
    return crowded


def apart(rows: Rows, key: Int64) -> Int64:
    """Keys made unique per rank: the n-th use of a key by a rank, where all its ranks use it equally often.

    Coalesced collectives share a sequence number. Where the ranks' uses differ in number, nothing tells
    which is which, and the key is withdrawn.
    """
    used = np.flatnonzero(key >= 0)
    if len(used) == 0:
        return key
    order = used[np.lexsort((rows.start_ns[used], rows.rank[used], key[used]))]
    k, r = key[order], rows.rank[order]
    first = np.r_[True, (k[1:] != k[:-1]) | (r[1:] != r[:-1])]
    begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    nth = np.arange(len(order)) - begin
    uses = np.bincount(np.cumsum(first) - 1)[np.cumsum(first) - 1]
    most = np.zeros(k.max() + 1, dtype=np.int64)
    least = np.full(k.max() + 1, len(order) + 1, dtype=np.int64)
    np.maximum.at(most, k, uses)
    np.minimum.at(least, k, uses)
    unique = np.full(len(key), ABSENT, dtype=np.int64)
    even = most[k] == least[k]
    unique[order[even]] = numbered(k[even], nth[even])
    return unique


def contradicts(rows: Rows, number: Int64) -> Mask:
    """By number: whether its rows disagree on kind, payload, dtype or size. Same instance, same signature."""
    used = np.flatnonzero(number >= 0)
    wrong = np.zeros(int(number.max(initial=-1)) + 1, dtype=np.bool_)
    for column, absent in (
        (rows.kind, UNKNOWN_CODE),
        (rows.payload, ABSENT),
        (rows.dtype, ABSENT),
        (rows.size, ABSENT),
    ):
        told = used[column[used] != absent]
        low = np.full(len(wrong), np.iinfo(np.int64).max)
        high = np.full(len(wrong), np.iinfo(np.int64).min)
        np.minimum.at(low, number[told], column[told])
        np.maximum.at(high, number[told], column[told])
        wrong |= low < high
    return wrong


def numbered(first: Int64, second: Int64) -> Int64:
    """Numbers for equal pairs; -1 where either is absent."""
    absent = (first < 0) | (second < 0)
    numbers = np.full(len(first), ABSENT, dtype=np.int64)
    if not absent.all():
        place = np.unique(second[~absent], return_inverse=True)[1].reshape(
            -1
        )  # a number may be any of 64 bits
        joined = first[~absent] * (int(place.max()) + 1) + place
        numbers[~absent] = np.unique(joined, return_inverse=True)[1].reshape(-1)
    return numbers
