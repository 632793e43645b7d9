"""Volume by phase and collective: one run -> bars, measured and by closed form, second gathers apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from commscope.errors import UsageProblem
from commscope.figures.drawing.subject import NO_PHASE, Shown
from commscope.schema import Collective, Phase, Role
from commscope.theory.volume import VolumeRow, step_volume

AGAIN = "all_gather again"
_RUNS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Bar:
    """Communication of one phase and kind, per rank: means over the ranks, whole where the ranks agree."""

    phase: str
    key: str  # Collective, or AGAIN
    count: float
    payload_bytes: float | None
    wire_bytes: float | None

    def size(self, measure: str) -> float | None:
        """Wire or payload bytes."""
        return self.wire_bytes if measure == "wire" else self.payload_bytes


@lru_cache(maxsize=_RUNS_KEPT)
def bars(run: Shown) -> tuple[Bar, ...]:
    """Measured bars of a run's window; backward all_gathers that repeat a forward one stand apart."""
    table = run.instances
    if table.empty:
        return ()
    labelled = table.assign(
        phase=table["phase"].astype(object).where(table["phase"].notna(), NO_PHASE),
        key=table["collective"].where(~repeated_gathers(run.all_instances).loc[table.index], AGAIN),
    )
    ranks = max(1, len(run.ranks))
    return tuple(
        Bar(
            str(phase),
            str(key),
            _whole(len(rows) / ranks),
            _mean(rows["payload_bytes"], ranks),
            _mean(rows["wire_bytes"], ranks),
        )
        for (phase, key), rows in labelled.groupby(["phase", "key"], sort=True)
    )


def repeated_gathers(table: pd.DataFrame) -> pd.Series:
    """Which all_gathers of the backward fetch an input again that the forward had already gathered.

    Every forward reduce_scatter has an all_gather as its backward; what is gathered beyond those, with a size
    the forward gathered too, is gathered a second time (Megatron's column-parallel linear under sequence
    parallelism). Gathers of parameters in data parallelism are not meant: a forward that scatters less than
    half as often as it gathers is none of sequence parallelism. Which ones of equal size repeat cannot be
    told: the last are taken.
    """
    own = table["role"].isna() | (table["role"] != Role.DP)
    gathers = own & (table["collective"] == Collective.ALL_GATHER)
    late = gathers & (table["phase"] == Phase.BACKWARD)
    if not late.any():
        return late
    forward = own & (table["phase"] == Phase.FORWARD)
    scattered = forward & (table["collective"] == Collective.REDUCE_SCATTER)
    keys = [pd.factorize(table[name])[0] for name in ("rank", "window", "group", "payload_bytes")]
    spent, given, again = (
        mask.astype("int64").groupby(keys).transform("sum") for mask in (scattered, gathers & forward, late)
    )
    place_from_last = again - late.astype("int64").groupby(keys).cumsum()
    parallel = table["payload_bytes"].notna() & (2 * spent >= given)
    return late & parallel & (place_from_last < (again - spent).clip(0).clip(upper=given))


@lru_cache(maxsize=_RUNS_KEPT)
def closed_form(run: Shown) -> dict[tuple[str, str], Bar] | None:
    """Bars that theory predicts for one step; None where layout or model are not said or have none."""
    layout, model = run.analysis.run.layout, run.analysis.run.model
    if layout is None or model is None or run.span.step is None or run.focus.instance is not None:
        return None
    kept = dataclasses.replace(layout, sp_keep_gathered=True)
    try:
        whole = _split(_totals(step_volume(layout, model)), _totals(step_volume(kept, model)))
    except UsageProblem:  # theory knows no closed form of this layout
        return None
    return {
        place: bar
        for place, bar in whole.items()
        if run.focus.keeps(place[0], place[1].removesuffix(" again"))
    }


def _split(full: dict[tuple[str, str], Bar], kept: dict[tuple[str, str], Bar]) -> dict[tuple[str, str], Bar]:
    """The all_gathers of backward that vanish when gathered inputs are kept are the repeated ones."""
    place = (str(Phase.BACKWARD), str(Collective.ALL_GATHER))
    if place not in full:
        return full
    none = Bar(*place, 0, 0, 0)
    first = kept.get(place, none)
    extra = _minus(full[place], first)
    if extra.count <= 0:
        return full
    parts = {place: first, (place[0], AGAIN): dataclasses.replace(extra, key=AGAIN)}
    return {key: bar for key, bar in (full | parts).items() if bar.count}


def _totals(rows: Iterable[VolumeRow]) -> dict[tuple[str, str], Bar]:
    totals: dict[tuple[str, str], Bar] = {}
    for row in rows:
        place = (str(row.phase), str(row.collective))
        bar = Bar(*place, row.count, row.total_payload_bytes, row.total_wire_bytes)
        totals[place] = _minus(bar, _negative(totals[place])) if place in totals else bar
    return totals


def _minus(left: Bar, right: Bar) -> Bar:
    return Bar(
        left.phase,
        left.key,
        left.count - right.count,
        (left.payload_bytes or 0) - (right.payload_bytes or 0),
        (left.wire_bytes or 0) - (right.wire_bytes or 0),
    )


def _negative(bar: Bar) -> Bar:
    return _minus(Bar(bar.phase, bar.key, 0, 0, 0), bar)


def _mean(column: pd.Series, ranks: int) -> float | None:
    return None if bool(column.isna().any()) else _whole(int(column.sum()) / ranks)


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value
