"""The program's own account of its collectives, kept beside the trace.

Takes facts as the program issues collectives inside `Marks`, gives LedgerRow: what a trace must agree with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from commscope.record.marks.ranges import CollectiveFacts, Range, Timelines
from commscope.schema import Phase
from commscope.trace import LedgerRow


class _Key(NamedTuple):
    step: int
    phase: str
    layer: int | None
    collective: str
    role: str
    group: str
    group_size: int
    dtype: str
    payload_bytes: int
    is_async: bool


class PhaseObserver(Protocol):
    """Told when a phase begins and ends, for measures per phase."""

    def __call__(self, phase: str, *, entered: bool) -> None:
        """One border of a phase."""


class Ledger:
    """Counts collectives by step, phase, layer, kind, role, group and size; silent outside `recording`."""

    def __init__(self) -> None:
        self._counts: Counter[_Key] = Counter()
        self._step: int | None = None

    def begin_step(self, step: int | None) -> None:
        """Collectives from here on belong to this step; None: they are not counted."""
        self._step = step

    @contextmanager
    def recording(self, step: int) -> Iterator[None]:
        """Collectives issued inside belong to this step."""
        self.begin_step(step)
        try:
            yield
        finally:
            self.begin_step(None)

    def add(self, facts: CollectiveFacts, phase: str, layer: int | None) -> None:
        """One more collective."""
        if self._step is None:
            return
        self._counts[
            _Key(
                self._step,
                phase,
                layer,
                facts.collective,
                facts.role,
                facts.group,
                facts.group_size,
                facts.dtype,
                facts.payload_bytes,
                facts.is_async,
            )
        ] += 1

    def repeat(self, step: int, later: int) -> None:
        """Say that a later step issued what `step` did."""
        for key, count in list(self._counts.items()):
            if key.step == step:
                self._counts[key._replace(step=later)] += count

    def rows(self, rank: int) -> tuple[LedgerRow, ...]:
        """What was counted, in the order first issued."""
        return tuple(
            LedgerRow(
                rank=rank,
                step=key.step,
                phase=key.phase,
                collective=key.collective,
                role=key.role or None,
                group=key.group,
                group_size=key.group_size,
                dtype=key.dtype,
                payload_bytes=key.payload_bytes,
                count=count,
                is_async=key.is_async,
                layer=key.layer,
            )
            for key, count in self._counts.items()
        )


class Marks:
    """What an instrumented program calls: ranges on the timelines and the ledger kept in step.

    The engine runs backward while the caller waits, so one stack of phases a process is enough.
    """

    def __init__(self, timelines: Timelines, ledger: Ledger) -> None:
        self.timelines = timelines
        self.ledger = ledger
        self._phases: list[str] = [Phase.OTHER]
        self._layers: list[int | None] = [None]
        self._observer: PhaseObserver | None = None

    @property
    def current_phase(self) -> str:
        """The phase the program is in."""
        return self._phases[-1]

    @property
    def current_layer(self) -> int | None:
        """The layer the program is in."""
        return self._layers[-1]

    @contextmanager
    def phase(self, phase: str) -> Iterator[None]:
        """A part of the step."""
        self._phases.append(phase)
        if self._observer is not None:
            self._observer(phase, entered=True)
        try:
            with self.timelines.phase(phase):
                yield
        finally:
            if self._observer is not None:
                self._observer(phase, entered=False)
            self._phases.pop()

    @contextmanager
    def layer(self, layer: int | None) -> Iterator[None]:
        """A layer of the model; None (embedding, head) makes no range, nor does a layer within itself."""
        inside = layer is None or layer == self.current_layer
        self._layers.append(layer)
        try:
            if inside or layer is None:
                yield
            else:
                with self.timelines.layer(layer):
                    yield
        finally:
            self._layers.pop()

    def microbatch(self, microbatch: int) -> Range:
        """A microbatch of the step."""
        return self.timelines.microbatch(microbatch)

    def collective(self, facts: CollectiveFacts) -> Range:
        """A collective about to be issued: counted, and a range around it."""
        self.ledger.add(facts, self.current_phase, self.current_layer)
        return self.timelines.collective(facts)

    @contextmanager
    def observed(self, observer: PhaseObserver) -> Iterator[None]:
        """Tell `observer` every border of a phase inside."""
        self._observer = observer
        try:
            yield
        finally:
            self._observer = None
