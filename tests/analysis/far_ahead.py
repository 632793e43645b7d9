"""A host that launches into queues of limited room: the same program for the queue's test and the path's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commscope.trace import Int64

PLACES = 1_000


@dataclass(frozen=True)
class Launches:
    """How many, what a kernel and a launch take, one launch that takes 60 us by itself, and among how many streams."""

    count: int
    kernel_us: int = 20
    launch_us: int = 2
    hiccup: int = -1
    streams: int = 1


def launched(asked: Launches) -> tuple[Int64, Int64, Int64]:
    """Starts and ends of the launches and the begins of their kernels, in us.

    Launches go to the streams in turn; each stream holds `PLACES` that have not begun, and a launch that
    finds none returns 1 us after the oldest has begun.
    """
    start, end, begun, now = [], [], [], 0
    free = [0] * asked.streams
    for k in range(asked.count):
        waits_for = k - PLACES * asked.streams
        room = begun[waits_for] + 1 if waits_for >= 0 else 0
        returned = max(now + (60 if k == asked.hiccup else asked.launch_us), room)
        begun.append(max(free[k % asked.streams], returned + 1))
        free[k % asked.streams] = begun[k] + asked.kernel_us
        start.append(now)
        end.append(returned)
        now = returned
    return np.array(start), np.array(end), np.array(begun)
