"""What makes two recorded collectives alike: instance table -> columns of codes, rank by rank.

The signature of a collective is its kind, payload, dtype and (where recorded) sequence number in its group.
Kinds whose payload may differ over ranks (uneven all-to-all, gather and scatter) are compared without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from commscope.schema import CAPTURE, POINT_TO_POINT, Collective
from commscope.trace import Int64, Mask, ProcessGroup

KINDS = tuple(Collective)
UNKNOWN_CODE = KINDS.index(Collective.UNKNOWN)
UNEVEN = (
    Collective.ALL_TO_ALL,
    Collective.GATHER,
    Collective.SCATTER,
    Collective.SEND_RECV,
    Collective.UNKNOWN,
)
ROOTED_OUT = (Collective.BROADCAST, Collective.SCATTER)  # the root's data goes to all
ROOTED_IN = (Collective.REDUCE, Collective.GATHER)  # all data goes to the root
ABSENT = -1
LANE_BITS = 32  # a lane's code is its rank above these, and its name below

Members = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The instance table as codes; -1 is absent. `label` is (group name, members), `members` a rank set."""

    rank: Int64
    start_ns: Int64
    end_ns: Int64
    kind: Int64
    payload: Int64
    dtype: Int64
    label: Int64
    members: Int64
    size: Int64
    seq: Int64
    comms: Int64
    peer: Int64
    place: Int64  # the peer's rank inside the group, where only that is told
    tag: Int64
    step: Int64  # code of the step it was issued in
    order_ns: Int64  # when the program issued it, as far as all rows of its rank tell; else its start
    lane: Int64
    is_p2p: Mask
    is_posted: Mask  # the record ends when the work was handed over, not when it was done
    is_timed: Mask  # False: start and end are those of the call, not of what it started
    member_sets: tuple[Members, ...]
    label_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rank)


def rows_of(
    table: pd.DataFrame, groups: Mapping[int, Sequence[ProcessGroup]], posting: Sequence[int] = ()
) -> Rows:
    """Codes of a table of all ranks; members of a group are looked up in `groups` where a row lacks them.

    On `posting` ranks (gloo) sends and receives are host calls that return before the data has moved.
    """
    rank = table["rank"].to_numpy(np.int64)
    kinds = _objects(table["collective"])
    names = _objects(table["group"])
    belonging = _belonging(rank, names, _objects(table["group_ranks"]))
    members = _resolve_members(belonging.distinct, groups)
    labelled = [
        None if name is None and ranks is None else (name, ranks)
        for (_, name, _), ranks in zip(belonging.distinct, members, strict=True)
    ]
    (member_code, member_sets), (label, labels) = _codes(members), _codes(labelled)
    member_code, label = member_code[belonging.code], label[belonging.code]
    payload = _numbers(table["payload_bytes"])
    payload[np.isin(kinds.astype(str), [str(kind) for kind in UNEVEN])] = ABSENT
    size = _numbers(table["group_size"])
    for code, ranks in enumerate(member_sets):
        size[member_code == code] = len(ranks)
    is_p2p = table["is_p2p"].to_numpy(np.bool_) | np.isin(kinds.astype(str), [str(k) for k in POINT_TO_POINT])
    return Rows(
        rank=rank,
        start_ns=table["start_ns"].to_numpy(np.int64),
        end_ns=table["end_ns"].to_numpy(np.int64),
        kind=_kind_codes(kinds),
        payload=payload,
        dtype=_codes(_objects(table["dtype"]))[0],
        label=label,
        members=member_code,
        size=size,
        seq=_numbers(table["seq"]),
        comms=_codes(_objects(table["comms_id"]))[0],
        peer=_numbers(table["peer"]),
        place=_numbers(table["peer_place"]),
        tag=_numbers(table["tag"]),
        step=_steps(table["window"]),
        order_ns=_order(table, rank),
        lane=rank * (1 << LANE_BITS) + _codes(_objects(table["stream"]))[0],
        is_p2p=is_p2p,
        is_posted=is_p2p & np.isin(rank, np.array(posting, dtype=np.int64)),
        is_timed=~table["is_call_only"].to_numpy(np.bool_),
        member_sets=tuple(member_sets),
        label_names=tuple(str(name) for name, _ in labels),
    )


def _objects(column: pd.Series) -> np.ndarray:
    values = column.astype(object).to_numpy(dtype=object, copy=True)
    values[pd.isna(column).to_numpy()] = None
    return values


def _numbers(column: pd.Series) -> Int64:
    return np.array(column.astype("Int64").to_numpy(dtype=np.int64, na_value=ABSENT), dtype=np.int64)


def _codes(values: Sequence[object] | np.ndarray) -> tuple[Int64, list[Any]]:
    """Numbers for equal values in order of appearance, -1 for None."""
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    codes, known = pd.factorize(cells)
    return codes.astype(np.int64), list(known)


def _steps(window: pd.Series) -> Int64:
    """Codes of the steps' names; -1 outside every step."""
    names = _objects(window)
    names[names == CAPTURE] = None
    return _codes(names)[0]


def _order(table: pd.DataFrame, rank: Int64) -> Int64:
    """When each row was issued. A rank with rows of unknown issue is ordered by starts, not by a mixture."""
    start, issue = table["start_ns"].to_numpy(np.int64), _numbers(table["issue_ns"])
    unknown = np.isin(rank, rank[table["issue_ns"].isna().to_numpy()])
    return np.where(unknown, start, issue)


def _kind_codes(kinds: np.ndarray) -> Int64:
    numbers = {str(kind): code for code, kind in enumerate(KINDS)}
    codes, known = _codes(kinds)
    return np.array([*(numbers.get(str(kind), UNKNOWN_CODE) for kind in known), UNKNOWN_CODE])[codes]


@dataclass(frozen=True, slots=True)
class _Belonging:
    """The distinct (rank, group name, members as written), and which of them each row has."""

    code: Int64
    distinct: list[tuple[int, str | None, Members | None]]


def _belonging(rank: Int64, names: np.ndarray, written: np.ndarray) -> _Belonging:
    (name_code, name), (set_code, sets) = _codes(names), _codes(written)
    joined = ((rank * (len(name) + 1)) + name_code + 1) * (len(sets) + 1) + set_code + 1
    _, first, code = np.unique(joined, return_index=True, return_inverse=True)
    distinct = [
        (int(rank[row]), names[row], None if written[row] is None else tuple(sorted(written[row])))
        for row in first
    ]
    return _Belonging(code.reshape(-1), distinct)


def _resolve_members(
    distinct: list[tuple[int, str | None, Members | None]], groups: Mapping[int, Sequence[ProcessGroup]]
) -> list[Members | None]:
    """Members as written on the row, else by the rank's own groups, else where the name is unmistakable."""
    own = {(r, group.name): group.ranks for r, known in groups.items() for group in known if group.ranks}
    members = [
        written if written is not None else _sorted(own.get((rank, name or "")))
        for rank, name, written in distinct
    ]
    by_name: dict[str, set[Members]] = {}
    for (_, name, _), ranks in zip(distinct, members, strict=True):
        if name is not None and ranks is not None:
            by_name.setdefault(name, set()).add(ranks)
    for n, (rank, name, _) in enumerate(distinct):
        if members[n] is None and name is not None and len(by_name.get(name, ())) == 1:
            only = next(iter(by_name[name]))
            members[n] = only if rank in only else None
    return members


def _sorted(ranks: Members | None) -> Members | None:
    return None if ranks is None else tuple(sorted(ranks))
