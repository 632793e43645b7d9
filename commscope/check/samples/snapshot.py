"""What check keeps of one run: Analysis -> Snapshot, small enough for a repository (expected.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import pandas as pd

from commscope.analysis.result import Analysis, RankBreakdown
from commscope.check.samples.own_time import straggler_measurements
from commscope.compare.comparability import Facts, facts_of
from commscope.compare.measures.measurement import (
    Measurement,
    basis_of,
    relative_spread,
    study_rows,
    study_windows,
    whole,
)
from commscope.compare.measures.other_load import OtherLoad, other_load_of
from commscope.compare.recordings import measure
from commscope.schema import CAPTURE

UNTOLD = "exposed_unknown"
EXPOSED_PARTS = ("exposed_transfer", "exposed_wait", UNTOLD)
PARTS = ("compute", *EXPOSED_PARTS, "copy", "idle")
MOST_TOKENS = 4096
FILES = (".json", ".gz", ".sqlite", ".parquet")
MEMBERS_UNKNOWN = "members unknown"


@dataclass(frozen=True, slots=True)
class Moved:
    """Collectives of one kind and place that a step issues on each of these ranks."""

    phase: str | None
    collective: str
    role: str | None
    layer: int | None
    group: str
    dtype: str | None
    payload_bytes: int | None
    count: float
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What each group of ranks is told to do, in order, in the first step."""

    tokens: tuple[str, ...]
    groups: Mapping[str, tuple[int, ...]]  # members -> indices into tokens
    is_stable: bool  # the same on all ranks of a group and in all steps


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One run, reduced."""

    name: str
    path: str
    steps: int
    ranks: tuple[int, ...]
    missing_ranks: tuple[int, ...]
    world_size: int | None
    layers: int | None
    breaking: Mapping[str, Any]
    other: Mapping[str, Any]
    measured: Mapping[str, Measurement]
    moved: tuple[Moved, ...]
    order: Order
    rank_parts_ns: Mapping[int, Mapping[str, float]]  # rank -> part of the step, median over steps
    caused_wait_ns: Mapping[int, float]  # rank -> waits of others for it, median over steps
    basis: str = ""
    gaps: tuple[str, ...] = field(default=())
    other_load: OtherLoad | None = None

    @property
    def facts(self) -> Facts:
        """What decides whether it can be held against another."""
        return Facts(self.breaking, self.other)


def snapshot(analysis: Analysis) -> Snapshot:
    """Everything check needs of a run, and no more."""
    facts = facts_of(analysis)
    table = _of_steps(analysis)
    model = analysis.run.model
    transfers = _transfer_times(analysis)
    return Snapshot(
        name=_name(analysis),
        path=str(analysis.run.path),
        steps=0 if study_windows(analysis) == (CAPTURE,) else len(study_windows(analysis)),
        ranks=analysis.ranks,
        missing_ranks=analysis.missing_ranks,
        world_size=analysis.run.world_size,
        layers=model.layers if model else None,
        breaking=dict(facts.breaking),
        other=_plain(facts.other),
        measured={**measure(analysis), **transfers, **straggler_measurements(analysis)},
        moved=_moved(table, len(study_windows(analysis))),
        order=_order(table),
        rank_parts_ns=_rank_parts(analysis),
        caused_wait_ns=_caused_waits(analysis),
        basis=basis_of(analysis),
        gaps=tuple(gap.code for gap in analysis.gaps if gap.serious),
        other_load=other_load_of(analysis.run),
    )


def _name(analysis: Analysis) -> str:
    """The folder's name, which is what people type and may have copied; a file goes by its run's name."""
    path = analysis.run.path
    return analysis.run.name if not path.name or path.name.endswith(FILES) else path.name


def _of_steps(analysis: Analysis) -> pd.DataFrame:
    windows = study_windows(analysis)
    table = analysis.instances
    return table.assign(window=CAPTURE) if windows == (CAPTURE,) else table[table["window"].isin(windows)]


def members_of(table: pd.DataFrame) -> pd.Series[str]:
    """The members of each instance's group as text: names differ from run to run, members do not."""
    return table["group_ranks"].map(
        lambda ranks: ",".join(map(str, ranks)) if isinstance(ranks, (tuple, list)) else MEMBERS_UNKNOWN
    )


def _moved(table: pd.DataFrame, windows: int) -> tuple[Moved, ...]:
    keys = ["phase", "collective", "role", "layer", "group", "dtype", "payload_bytes"]
    cells: dict[tuple[Any, ...], dict[int, int]] = {}
    for *key, rank in zip(*(table[column] for column in (*keys, "rank")), strict=True):
        known = tuple(None if pd.isna(value) else value for value in key)
        by_rank = cells.setdefault(known, {})
        by_rank[int(rank)] = by_rank.get(int(rank), 0) + 1
    rows: dict[tuple[Any, ...], list[int]] = {}
    for place, by_rank in cells.items():
        for rank, count in by_rank.items():
            rows.setdefault((*place, whole(count / windows)), []).append(rank)
    return tuple(_moved_row(key, ranks) for key, ranks in sorted(rows.items(), key=lambda item: str(item[0])))


def _moved_row(key: tuple[Any, ...], ranks: list[int]) -> Moved:
    phase, collective, role, layer, group, dtype, payload, count = key
    return Moved(
        phase=phase,
        collective=str(collective),
        role=role,
        layer=None if layer is None else int(layer),
        group=str(group or ""),
        dtype=dtype,
        payload_bytes=None if payload is None else int(payload),
        count=count,
        ranks=tuple(sorted(ranks)),
    )


def _order(table: pd.DataFrame) -> Order:
    """Sequences by members of the group, rank and step; the first one stands for all if all are equal."""
    parts = table.sort_values(["rank", "index"]).assign(members=members_of(table))
    payload = parts["payload_bytes"].astype(object).where(parts["payload_bytes"].notna(), "?")
    token = (
        parts["collective"].astype(str)
        + " "
        + payload.astype(str)
        + " "
        + parts["dtype"].fillna("?").astype(str)
    )
    tokens = tuple(sorted(set(token)))
    place = {text: index for index, text in enumerate(tokens)}
    first: dict[str, tuple[int, ...]] = {}
    is_stable = True
    for (members, _, _), rows in token.groupby([parts["members"], parts["rank"], parts["window"]], sort=True):
        sequence = tuple(place[text] for text in rows)
        is_stable &= first.setdefault(str(members), sequence) == sequence
    return Order(tokens, {members: seq[:MOST_TOKENS] for members, seq in first.items()}, bool(is_stable))


def _transfer_times(analysis: Analysis) -> dict[str, Measurement]:
    """Clock-free: the shortest duration over ranks of each instance, lower quartile per kind and payload."""
    table = analysis.instances
    known = table[table["instance"].notna() & table["payload_bytes"].notna()]
    shortest: dict[tuple[str, int], dict[int, int]] = {}
    columns = (known[name] for name in ("collective", "payload_bytes", "instance", "start_ns", "end_ns"))
    for collective, payload, instance, start_ns, end_ns in zip(*columns, strict=True):
        durations = shortest.setdefault((str(collective), int(payload)), {})
        duration = int(end_ns - start_ns)
        durations[instance] = min(duration, durations.get(instance, duration))
    found = (_transfer_time(key, list(durations.values())) for key, durations in sorted(shortest.items()))
    return {measurement.metric: measurement for measurement in found}


def _transfer_time(key: tuple[str, int], values: list[int]) -> Measurement:
    quartile = quantiles(values, n=4, method="inclusive")[0] if len(values) > 1 else values[0]
    return Measurement(
        metric=f"transfer.time/{key[0]}/{key[1]}",
        kind="timed",
        unit="ns",
        value=whole(round(quartile)),
        spread=relative_spread(values),
        steps=len(values),
        basis=f"lower quartile of {len(values)} instances, shortest over ranks",
    )


def _rank_parts(analysis: Analysis) -> dict[int, dict[str, float]]:
    """Each rank's parts of the step; transfer and wait are left out where a step does not tell them."""
    rows: dict[int, list[RankBreakdown]] = {rank: [] for rank in analysis.ranks}
    for row in (row for of_step in study_rows(analysis).values() for row in of_step):
        rows[row.rank].append(row)
    return {rank: _parts_of(own) for rank, own in rows.items()}


def _parts_of(rows: Sequence[RankBreakdown]) -> dict[str, float]:
    """Medians over the steps of one rank."""
    splits = [
        (row.exposed_ns - row.exposed_wait_ns - (row.exposed_unknown_ns or 0), row.exposed_wait_ns)
        for row in rows
        if row.exposed_wait_ns is not None
    ]
    is_split = len(splits) == len(rows)
    untold = [(row.exposed_unknown_ns or 0) if is_split else row.exposed_ns for row in rows]
    samples = {
        "compute": [row.compute_ns for row in rows],
        "exposed_transfer": [transfer for transfer, _ in splits] if is_split else [],
        "exposed_wait": [wait for _, wait in splits] if is_split else [],
        UNTOLD: untold if any(untold) else [],
        "copy": [row.copy_ns for row in rows],
        "idle": [row.idle_ns + (row.host_bound_ns or 0) for row in rows],
    }
    return {part: whole(median(values)) for part, values in samples.items() if values}


def _caused_waits(analysis: Analysis) -> dict[int, float]:
    windows = dict.fromkeys(study_windows(analysis))
    caused: dict[int, dict[str, int]] = {rank: dict.fromkeys(windows, 0) for rank in analysis.ranks}
    for stall in analysis.stalls:
        if stall.window in windows and stall.culprit in caused:
            caused[stall.culprit][stall.window] += stall.wait_ns
    return {rank: whole(median(by_window.values())) for rank, by_window in caused.items()}


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that survive JSON unchanged: tuples become lists there."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}
