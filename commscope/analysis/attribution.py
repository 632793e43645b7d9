"""What each event of a rank is part of: columns beside Events, shared by the one-rank analyses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from commscope.analysis.result import Intervals, Window
from commscope.schema import Phase
from commscope.trace import Int32, Int64

PHASES = tuple(Phase)


class Busy(IntEnum):
    """How an event occupies its rank's device timeline (on gloo the host is the device)."""

    NOT = 0
    COMPUTE = 1
    COMMUNICATION = 2
    COPY = 3


@dataclass(frozen=True, slots=True)
class Attribution:
    """Columns of length n (rows of Events) and of length k (collective instances of the rank's table)."""

    busy: npt.NDArray[np.uint8]  # Busy
    phase: npt.NDArray[np.int8]  # index into PHASES, -1 where not tellable
    layer: Int32  # -1 where not tellable
    microbatch: Int32
    window: Int32  # index into windows, -1 outside every step
    windows: tuple[Window, ...]  # steps only
    instance_rows: Int64  # k: the event that is the instance (kernel, gloo: range, P2P op)
    issue_rows: Int64  # k: the host op that launched it, -1 where unknown
    compute: Intervals  # union of compute on the device timeline, own clock
    communication: Intervals
    copy: Intervals
    blocked: Intervals  # host time stood still waiting for communication (gloo: in a collective's wait)
