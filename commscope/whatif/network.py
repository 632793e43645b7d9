"""Splits each transfer into a part that grows with its bytes and a fixed part.

Takes joined instances and the transfers of their rows; gives the fixed part of each row in ns. Per
collective and group size the fixed part is the intercept of the line latency + bytes / bandwidth through
the quickest transfer of each payload (least squares, latency >= 0, never more than the quickest transfer).
With one payload alone nothing tells the two apart: then the whole transfer counts as growing with its
bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from commscope.trace import Int64


def fixed_parts(table: pd.DataFrame, transfer_ns: Int64) -> npt.NDArray[np.float64]:
    """The fixed part of each row's transfer in ns, 0 where it cannot be told."""
    fixed = np.zeros(len(table))
    payload = table["payload_bytes"].to_numpy(dtype=np.float64, na_value=np.nan)
    keys = table["collective"].astype("str") + "/" + table["group_size"].astype("str")
    usable = ~np.isnan(payload) & (transfer_ns > 0)
    for key in keys[usable].unique():
        mine = np.flatnonzero((keys == key).to_numpy())
        told = mine[usable[mine]]
        fixed[mine] = _intercept(payload[told], transfer_ns[told].astype(np.float64))
    return np.minimum(fixed, np.maximum(transfer_ns, 0))


def _intercept(payload: npt.NDArray[np.float64], transfer_ns: npt.NDArray[np.float64]) -> float:
    """Latency in ns, 0 where only one payload was seen or time falls with size."""
    sizes, which = np.unique(payload, return_inverse=True)
    if len(sizes) < 2:
        return 0.0
    quickest = np.full(len(sizes), np.inf)
    np.minimum.at(quickest, which.reshape(-1), transfer_ns)
    slope, intercept = np.polyfit(sizes, quickest, 1)
    if slope <= 0:
        return 0.0
    return float(np.clip(intercept, 0.0, quickest.min()))
