"""Exact metrics of one run: Analysis -> Measurements of counts and bytes, measured and in theory.

Names: collective.count, communication.payload_bytes, communication.wire_bytes; each also
/<collective>/<phase>, and /<collective>/<phase>/<role> where roles are known. `theory.*` is the closed form
of the run's layout. Absent is not zero: bytes of an instance without a size, or a phase that the trace does
not hold, leave the number absent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean, median

import pandas as pd

from commscope.analysis.result import Analysis
from commscope.analysis.summary import phases_present
from commscope.compare.measures.measurement import Measurement, basis_of, study_windows, whole
from commscope.errors import CommScopeError
from commscope.schema import CAPTURE, Phase
from commscope.theory.volume import step_volume

COUNT = "collective.count"
PAYLOAD = "communication.payload_bytes"
WIRE = "communication.wire_bytes"
SENT = "communication.sent_bytes"
UNATTRIBUTED = "unattributed"
EXACT = (COUNT, PAYLOAD, WIRE)
UNITS = {COUNT: "count", PAYLOAD: "bytes", WIRE: "bytes"}
COLUMNS = {PAYLOAD: "payload_bytes", WIRE: "wire_bytes"}
_Cells = dict[tuple[int, str], dict[str, int]]  # (rank, window) -> metric -> sum
MISSING_SIZE = {PAYLOAD: "no recorded size", WIRE: "no recorded size or group size"}


def moved_measurements(analysis: Analysis) -> list[Measurement]:
    """Measured counts and bytes, bytes really sent where known, and the closed form."""
    return [*_measured(analysis), *_sent(analysis), *theory_measurements(analysis)]


def why_phase_is_absent(analysis: Analysis, suffix: str) -> str:
    """Why a trace cannot count `/collective/phase` as zero: its phases are unknown, or it lacks this one."""
    parts = suffix.split("/")
    if len(parts) < 3:
        return ""
    present = phases_present(analysis)
    phase = parts[2]
    if phase == UNATTRIBUTED:
        return ""
    if present is None:
        return "phases cannot be told from this trace"
    if phase in {Phase.RECOMPUTE, Phase.OTHER, Phase.OPTIMIZER} or phase in present:
        return ""
    return f"{phase} is not present in this trace"


def _measured(analysis: Analysis) -> list[Measurement]:
    windows = study_windows(analysis)
    table = analysis.instances
    table = table.assign(window=CAPTURE) if windows == (CAPTURE,) else table[table["window"].isin(windows)]
    sums = _sums(table)
    sums.setdefault("", {})
    return [_exact(analysis, metric, suffix, sums[suffix]) for suffix in sums for metric in EXACT]


def _sums(table: pd.DataFrame) -> dict[str, _Cells]:
    """Per name suffix, rank and window: how many, how many bytes, and how many without a size."""
    parts = table[["rank", "window"]].assign(
        suffix="",
        **{COUNT: 1, f"{COUNT} missing": 0},
        **{metric: table[column].fillna(0).astype("int64") for metric, column in COLUMNS.items()},
        **{f"{metric} missing": table[column].isna().astype("int64") for metric, column in COLUMNS.items()},
    )
    pair = "/" + table["collective"].astype(object) + "/" + table["phase"].astype(object).fillna(UNATTRIBUTED)
    role = pair[table["role"].notna()] + "/" + table["role"].astype(object)[table["role"].notna()]
    found: dict[str, _Cells] = {}
    for level in (parts, parts.assign(suffix=pair), parts.loc[role.index].assign(suffix=role)):
        grouped = level.groupby(["suffix", "rank", "window"], sort=True).sum()
        for (suffix, rank, window), *values in zip(
            grouped.index, *(grouped[c] for c in grouped), strict=True
        ):
            cells = dict(zip(grouped.columns, map(int, values), strict=True))
            found.setdefault(str(suffix), {})[int(rank), str(window)] = cells
    return found


def _exact(analysis: Analysis, metric: str, suffix: str, cells: _Cells) -> Measurement:
    """Median over steps on each rank, then the mean over ranks."""
    name, unit = metric + suffix, UNITS[metric]
    if unsized := sum(cell[f"{metric} missing"] for cell in cells.values()):
        total = sum(cell[COUNT] for cell in cells.values())
        why = f"{unsized} of {total} instances have {MISSING_SIZE[metric]}"
        return Measurement(name, "exact", unit, None, why=why)
    windows = study_windows(analysis)
    values = {key: cell[metric] for key, cell in cells.items()}
    by_rank = {
        rank: whole(median(values.get((rank, window), 0) for window in windows)) for rank in analysis.ranks
    }
    by_step = tuple(
        whole(fmean(values.get((rank, window), 0) for rank in analysis.ranks)) for window in windows
    )
    return Measurement(
        metric=name,
        kind="exact",
        unit=unit,
        value=whole(fmean(by_rank.values())) if by_rank else None,
        spread=(max(by_step) - min(by_step)) / max(by_step) if any(by_step) else 0.0,
        steps=len(windows),
        by_rank=by_rank,
        by_step=by_step,
        basis=basis_of(analysis),
    )


def _sent(analysis: Analysis) -> list[Measurement]:
    by_rank = {int(rank): float(sent) for rank, sent in analysis.run.sent_bytes.items()}
    if not by_rank:
        return []
    value = whole(fmean(by_rank.values()))
    return [Measurement(SENT, "timed", "bytes", value, by_rank=by_rank, basis="as the sockets counted")]


def theory_measurements(analysis: Analysis) -> list[Measurement]:
    """The closed form of the run's layout and model, under `theory.`; one absent row where it has none."""
    layout, model = analysis.run.layout, analysis.run.model
    if layout is None or model is None:
        return [_no_theory("layout and model are not recorded")]
    try:
        rows = step_volume(layout, model)
    except CommScopeError as problem:
        return [_no_theory(problem.what)]
    sums: dict[str, float] = defaultdict(int)
    for row in rows:
        for suffix in ("", f"/{row.collective}/{row.phase}", f"/{row.collective}/{row.phase}/{row.role}"):
            sums[f"theory.count{suffix}"] += row.count
            sums[f"theory.payload_bytes{suffix}"] += row.total_payload_bytes
            sums[f"theory.wire_bytes{suffix}"] += row.total_wire_bytes
    names: Iterable[str] = sums or ("theory.count", "theory.payload_bytes", "theory.wire_bytes")
    return [
        Measurement(name, "exact", "bytes" if "bytes" in name else "count", sums[name], basis="closed form")
        for name in list(names)
    ]


def _no_theory(why: str) -> Measurement:
    return Measurement("theory.wire_bytes", "exact", "bytes", None, why=why)
