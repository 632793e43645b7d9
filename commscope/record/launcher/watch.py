"""Watches the ranks while the launcher waits: tells progress, ends a run that makes no step in time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from commscope.record.handover.facts import Beat, pid_of_rank, read_all_facts, read_beats, read_pids
from commscope.record.handover.liveness import cpu_seconds, signalled
from commscope.record.handover.request import RecordRequest
from commscope.record.handover.stacks import ask_for_stacks

POLL_S = 0.2
GRACE_S = 3.0  # between asking a rank to end and ending it
LOOK_S = 1.0  # between two looks at what the ranks do
START_S = 60  # importing torch and building the model, on top of the timeout of a step
MARGIN_S = 5  # the group's own timeout is given the chance to name the culprit first
BUSY = 0.05  # of one core: who uses more is at work
PATIENCE = 10  # timeouts a script may be at work before its first step


@dataclass(frozen=True, slots=True)
class Hang:
    """What stood still, and the ranks that had ended well by then."""

    what: str
    ended: frozenset[int] = frozenset()


class Watch:
    """A thread that reads heartbeats; `hung` says what stood still, if anything did.

    It is silent where a rank died: the launcher sees that, and takes its time to end the others. A script
    may take its time before its first step and after its last profiled one, as long as one of its ranks is
    at work.
    """

    def __init__(self, request: RecordRequest, on_progress: Callable[[Beat], None] | None) -> None:
        self._request = request
        self._on_progress = on_progress
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="commscope-watch", daemon=True)
        self._idle = Idle()
        self._ended_well = frozenset[int]()
        self.hung: Hang | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        seen: dict[int, Beat] = {}
        last = start = time.monotonic()
        while not self.hung and not self._ended.wait(POLL_S):
            new = [beat for beat in read_beats(self._request.work_folder) if seen.get(beat.rank) != beat]
            for beat in new:
                seen[beat.rank] = beat
                if self._on_progress is not None:
                    self._on_progress(beat)
            last = time.monotonic() if new else last
            if self._has_lost_one():
                return
            if what := self._stands_still(seen, start, last):
                self.hung = Hang(what, self._ended_well)
        if self.hung:
            _end(self._request)

    def _has_lost_one(self) -> bool:
        """Whether a rank is gone that did not come to its end."""
        folder = self._request.work_folder
        gone = {rank for rank, pid in pid_of_rank(folder).items() if not signalled(pid, 0)}
        if gone > self._ended_well:
            self._ended_well = frozenset(
                facts.rank for facts in read_all_facts(folder) if facts.rank in gone and facts.complete
            )
        return gone > self._ended_well

    def _stands_still(self, seen: dict[int, Beat], start: float, last: float) -> str:
        """What stands still for too long, if anything does."""
        timeout, now = self._request.timeout_s, time.monotonic()
        is_done = bool(seen) and all(beat.step >= beat.steps for beat in seen.values())
        if seen and not is_done:
            return f"no step finished within {timeout:g} s" if now - last > timeout + MARGIN_S else ""
        if not self._request.script:
            late = not seen and now - start > timeout + START_S
            return f"no step finished within {timeout:g} s" if late else ""
        if not seen and now - start > timeout * PATIENCE + START_S:
            return f"no first step within {timeout * PATIENCE:g} s, 10 x --timeout"
        pids = read_pids(self._request.work_folder)
        started = len(pids) == self._request.nproc
        idle_s = self._idle.seconds(pids, now)
        if idle_s <= timeout + (MARGIN_S if started else START_S):
            return ""
        when = "after the profiled steps" if is_done else "before the first step"
        return f"no rank did anything for {timeout:g} s {when}"


class Idle:
    """How long none of some processes has used the CPU to speak of."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._used: dict[int, float] = {}
        self._looked = self._since = time.monotonic()

    def seconds(self, pids: tuple[int, ...], now: float) -> float:
        """Seconds since one of them was last seen at work, or came to be."""
        if not self._known >= set(pids):
            self._known.update(pids)
            self._since = now
        if now - self._looked >= LOOK_S:
            used = cpu_seconds(pids)
            enough = BUSY * (now - self._looked)
            if any(used[pid] - self._used.get(pid, 0.0) > enough for pid in used):
                self._since = now
            self._used, self._looked = used, now
        return now - self._since


def _end(request: RecordRequest) -> None:
    """Ask the ranks where they stand, then to end; by force where one does not answer.

    A rank that waits inside C code never hears SIGTERM, and torch's launcher would wait 30 s for it.
    """
    pids = read_pids(request.work_folder)
    ask_for_stacks(request.work_folder, pids)
    left = [pid for pid in pids if signalled(pid, signal.SIGTERM)]
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = [pid for pid in left if signalled(pid, 0)]
    for pid in left:
        signalled(pid, signal.SIGKILL)
