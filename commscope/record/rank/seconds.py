"""Steps that end every second, and a stop, at places in the program that all ranks agree on.

Ranks see a second pass at different places: each tells how many collectives it had issued then, and all end
the step at the first one that none of them had issued. They end the program only once all of them are done.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

import torch.distributed as dist
from torch.nn.modules.module import register_module_forward_pre_hook

from commscope.record.rank.ending import process_groups

STEP_S = 1.0
_LOOK_S = 0.02  # for the first collective
_CUT_S = 0.001  # for the collective that a step ends at
_PATIENCE_S = 10.0  # with a rank that does not say that its second is over
_WITHOUT_MODULES_S = 5.0
_POLL_S = 0.2
_GRACE_S = 5.0  # for a rank that stands in a collective its peers have left
_DONE = "done"


class Ranks(Protocol):
    """What the ranks of a program tell each other; nothing here waits for another rank."""

    def issued(self) -> int:
        """Collectives that this rank issued and that all ranks take part in."""

    def tell(self, key: str, value: int) -> None:
        """Tell all ranks something, once."""

    def told(self, key: str) -> tuple[int, ...] | None:
        """What all ranks told; None where one has not yet."""


class Seconds:
    """Ends a step once a second, the first one counted from the first collective; looked at by a timer.

    A second begins once the last rank has the border before it behind it, which may take its time.
    """

    def __init__(
        self, end_step: Callable[[], None], join: Callable[[], Ranks | None], clock: Callable[[], float]
    ) -> None:
        self._end_step = end_step
        self._join = join
        self._clock = clock
        self._ranks: Ranks | None = None
        self._begun_s: float | None = None
        self._steps = 0
        self._issued: int | None = None  # when the second was over

    def look(self) -> float:
        """One look; gives the seconds until the next one."""
        if self._ranks is None:
            ranks = self._join()
            if ranks is not None and ranks.issued():
                self._begin(ranks)
            return _LOOK_S
        if self._begun_s is None:
            if self._ranks.told(f"begun{self._steps}") is None:
                return _LOOK_S
            self._begun_s = self._clock()
        late_s = self._clock() - self._begun_s - STEP_S
        if late_s < 0:
            return -late_s
        if not self._is_at_the_cut(self._ranks, late_s):
            return _CUT_S
        self._end_step()
        self._steps += 1
        self._begin(self._ranks)
        return _LOOK_S

    def _begin(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._begun_s = self._issued = None
        ranks.tell(f"begun{self._steps}", 1)

    def _is_at_the_cut(self, ranks: Ranks, late_s: float) -> bool:
        """Whether this rank is where all ranks end the step; where none is in common, a second later."""
        if self._issued is None:
            self._issued = ranks.issued()
            ranks.tell(f"cut{self._steps}", self._issued)
        issued = ranks.issued()
        if late_s > (_PATIENCE_S if issued > self._issued else STEP_S):
            return True
        told = ranks.told(f"cut{self._steps}")
        return told is not None and issued > max(told)


class Group:
    """The ranks of the default process group, over its store."""

    def __init__(self) -> None:
        self._store = dist.distributed_c10d.PrefixStore(
            "commscope", dist.distributed_c10d._get_default_store()
        )
        self._rank, self._size = dist.get_rank(), dist.get_world_size()

    def issued(self) -> int:
        """Over all groups that hold all ranks."""
        whole = [group for group in process_groups() if group.size() == self._size]
        return sum(int(group._get_sequence_number_for_group()) for group in whole)

    def tell(self, key: str, value: int) -> None:
        """Tell all ranks something, once."""
        self._store.set(f"{key}/{self._rank}", str(value))

    def told(self, key: str) -> tuple[int, ...] | None:
        """What all ranks told; None where one has not yet."""
        keys = [f"{key}/{rank}" for rank in range(self._size)]
        return tuple(map(int, self._store.multi_get(keys))) if self._store.check(keys) else None


class Alone:
    """One rank, which issues another at every look: its steps end when their time is up.

    It begins once a module was called, or, of a program that calls none, after a while.
    """

    def __init__(self, is_called: Callable[[], bool]) -> None:
        self._is_called = is_called
        self._looks = 0
        self._told: dict[str, int] = {}

    def issued(self) -> int:
        """More at every look, from its beginning on."""
        self._looks += 1
        return self._looks if self._is_called() or self._looks * _LOOK_S > _WITHOUT_MODULES_S else 0

    def tell(self, key: str, value: int) -> None:
        """Tell itself."""
        self._told[key] = value

    def told(self, key: str) -> tuple[int, ...] | None:
        """What it told itself."""
        return (self._told[key],) if key in self._told else None


@contextlib.contextmanager
def by_time(end_step: Callable[[], None], world_size: int) -> Iterator[None]:
    """A border every second, on the main thread as the profiler wants it."""
    called = threading.Event()
    alone = Alone(called.is_set)

    def join() -> Ranks | None:
        if world_size == 1:
            return alone
        return Group() if dist.is_available() and dist.is_initialized() else None

    seconds = Seconds(end_step, join, time.monotonic)

    def look(_number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(seconds.look(), _CUT_S))

    def note(_module: Any, _args: Any) -> None:
        called.set()

    hook = register_module_forward_pre_hook(note)
    previous = signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)  # no call of the program ends early for our sake
    signal.setitimer(signal.ITIMER_REAL, _LOOK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)
        hook.remove()


class AgreedStop:
    """Lets a rank stop once all ranks are done, so that nobody waits for one that has left.

    From then on whatever ends this rank is the stop: a peer that has left ends it in a collective. One that
    even stands there is ended here, after `leave`.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._ranks: Ranks | None = None
        self._over = threading.Event()

    def done(self) -> None:
        """This rank has recorded its steps."""
        if self._ranks is not None:
            return
        self._ranks = Group() if process_groups() else Alone(lambda: True)
        self._ranks.tell(_DONE, 1)
        threading.Thread(target=self._wait, name="commscope-stop", daemon=True).start()

    def is_agreed(self) -> bool:
        """Whether all ranks have."""
        if self._ranks is None:
            return False
        try:
            return self._ranks.told(_DONE) is not None
        except RuntimeError:  # the store is gone: so are the ranks that kept it
            return True

    def over(self) -> None:
        """The program has ended: what it does at exit may take its time."""
        self._over.set()

    def _wait(self) -> None:
        while not self.is_agreed():
            time.sleep(_POLL_S)
        if self._over.wait(_GRACE_S):
            return
        self._leave()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
