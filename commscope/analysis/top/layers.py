"""Layers: what each communicates, waits and computes, and its slowest collective."""

from __future__ import annotations

import pandas as pd

from commscope.analysis.result import Analysis
from commscope.analysis.summary import breakdown_of, instances_in

COLUMNS = (
    "layer",
    "compute_ns",
    "collectives",
    "payload_bytes",
    "wait_ns",
    "transfer_ns",
    "slowest_instance",
    "slowest_collective",
    "slowest_phase",
    "slowest_rank",
    "slowest_ns",
)


def layers(analysis: Analysis, window: str) -> pd.DataFrame:
    """One row a layer, summed over ranks; the slowest is the collective that lasted longest on any rank."""
    table = instances_in(analysis, window)
    table = table[table["layer"].notna() & ~table["is_call_only"].astype(bool)]
    compute: dict[int, int] = {}
    for row in breakdown_of(analysis, window):
        for layer, time_ns in (row.compute_by_layer_ns or {}).items():
            compute[layer] = compute.get(layer, 0) + time_ns
    known = sorted({*compute, *table["layer"].astype("int64").tolist()})
    if not known:
        return pd.DataFrame(columns=list(COLUMNS))
    timed = table.assign(duration_ns=table["end_ns"] - table["start_ns"])
    by_layer = timed.groupby(timed["layer"].astype("int64"))
    slowest = timed.loc[by_layer["duration_ns"].idxmax()].set_index("layer") if len(timed) else timed
    found = pd.DataFrame({"layer": known})
    found["compute_ns"] = pd.array([compute.get(layer) for layer in known], dtype="Int64")
    found["collectives"] = [int(by_layer.size().get(layer, 0)) for layer in known]
    for column in ("payload_bytes", "wait_ns", "transfer_ns"):
        sums = by_layer[column].sum(min_count=1)
        found[column] = [sums.get(layer) for layer in known]
    names = {"instance": "instance", "collective": "collective", "phase": "phase", "rank": "rank"}
    for name, column in {**names, "ns": "duration_ns"}.items():
        found[f"slowest_{name}"] = [slowest[column].get(layer) if len(slowest) else None for layer in known]
    return found[list(COLUMNS)].convert_dtypes()
