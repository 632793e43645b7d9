"""The largest waits and what the late rank did before them: charges and records -> late arrivals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from commscope.analysis.naming.longer import Longer, longer_of
from commscope.analysis.naming.records import Records
from commscope.analysis.result import LateArrival, LongerSpent
from commscope.analysis.waits import CAUSES, Charges
from commscope.trace import Int64

OVERALL, A_WINDOW, MOST = 200, 10, 1_000  # late arrivals that are told
NAMES = 5  # activities of each


def late_arrivals(charges: Charges, instances: pd.DataFrame, records: Records) -> tuple[LateArrival, ...]:
    """One row an instance, of the largest waits of the run and of each window."""
    if len(charges) == 0:
        return ()
    number = instances["instance"].iloc[charges.row].to_numpy(np.int64)
    order = np.lexsort((charges.victim, -charges.wait_ns, number))
    worst = order[np.r_[True, np.diff(number[order]) != 0]]
    worst = worst[np.lexsort((number[worst], -charges.wait_ns[worst]))]
    in_window = pd.Series(charges.window[worst]).groupby(charges.window[worst]).cumcount().to_numpy()
    worst = worst[(np.arange(len(worst)) < OVERALL) | (in_window < A_WINDOW)][:MOST]
    sums = pd.Series(charges.wait_ns).groupby(number).agg(["size", "sum"])
    culprits = _rows_of(instances, number[worst], charges.culprit[worst])
    longer = longer_of(charges, np.sort(worst), records)
    return tuple(
        _arrival(charges, index, row, (int(victims), int(total_ns)), _spent(longer, index, records))
        for index, row, victims, total_ns in zip(
            worst.tolist(),
            culprits.to_dict("records"),
            sums["size"].loc[number[worst]],
            sums["sum"].loc[number[worst]],
            strict=True,
        )
    )


def _rows_of(instances: pd.DataFrame, number: Int64, rank: Int64) -> pd.DataFrame:
    """Rows of the instance table by instance and rank, and which of its kind each is in its window there."""
    own = instances.groupby(["rank", "window", "collective"], sort=False)["start_ns"]
    columns = ["instance", "rank", "window", "collective", "phase", "layer", "start_ns"]
    told = instances[columns].assign(place=own.rank(method="first"), places=own.transform("size"))
    told = told[told["instance"].isin(number)].set_index(["instance", "rank"], drop=False)
    chosen = told.loc[list(zip(number.tolist(), rank.tolist(), strict=True))]
    return chosen.astype(object).where(chosen.notna(), None)


def _spent(longer: Longer, index: int, records: Records) -> tuple[LongerSpent, ...]:
    rows = longer.of(index)
    columns = (longer.activity[rows], longer.time_ns[rows], longer.more_ns[rows])
    told = zip(*(column[:NAMES].tolist() for column in columns), strict=True)
    return tuple(LongerSpent(records.names[which], time_ns, more_ns) for which, time_ns, more_ns in told)


def _arrival(
    charges: Charges,
    index: int,
    row: Mapping[Hashable, Any],
    victims: tuple[int, int],
    spent: tuple[LongerSpent, ...],
) -> LateArrival:
    culprit, victim = int(charges.culprit[index]), int(charges.victim[index])
    return LateArrival(
        window=str(row["window"]),
        instance=int(row["instance"]),
        collective=str(row["collective"]),
        phase=row["phase"],
        layer=row["layer"],
        place=int(row["place"]),
        places=int(row["places"]),
        culprit=culprit,
        victim=victim,
        wait_ns=int(charges.wait_ns[index]),
        victims=victims[0],
        total_wait_ns=victims[1],
        arrival_ns=int(row["start_ns"]),
        since_ns=int(charges.since_ns[index, 1]),
        causes_ns={
            cause: ns for cause, ns in zip(CAUSES, charges.shares_ns[index].tolist(), strict=True) if ns
        },
        spent=spent,
        is_first=bool(charges.is_first[index]),
    )
