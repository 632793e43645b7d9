"""Which step of a recording is for what: counts in, the kind of every step out."""

from __future__ import annotations

from dataclasses import dataclass

SETTLE = 3  # steps after the capture that are not timed: ranks meet again, and memory is measured


@dataclass(frozen=True, slots=True)
class Plan:
    """How many steps of which kind, in this order.

    Between the plain and the profiled steps stands one that warms the profiler up.
    """

    warmup: int
    plain: int
    profiled: int
    plain_after: int = 0  # of a program that goes on by itself, where it does

    @property
    def first_profiled(self) -> int:
        """Number of the first profiled step."""
        return self.warmup + self.plain + 1

    @property
    def total(self) -> int:
        """All steps the capture needs."""
        return self.first_profiled + self.profiled

    @property
    def last(self) -> int:
        """All steps that are of use."""
        return self.total + SETTLE + self.plain_after if self.plain_after else self.total

    @property
    def allocator_step(self) -> int:
        """The step made under the allocator's records, where the program goes on that far."""
        return self.total + 1

    def is_timed(self, step: int) -> bool:
        """Whether the time of this step counts."""
        if step >= self.total:
            return self.total + SETTLE <= step < self.last
        return self.warmup <= step != self.first_profiled - 1

    def is_profiled(self, step: int) -> bool:
        """Whether this step is in the trace."""
        return self.first_profiled <= step < self.total

    def is_plain(self, step: int) -> bool:
        """Whether nothing of ours runs in this step, and everything it needs was built before."""
        before = 0 < step < self.first_profiled - 1
        return before or (self.total <= step < self.last and step != self.allocator_step)


def script_plan(warmup: int, steps: int) -> Plan:
    """The fewest steps a program must make: `steps`, and `warmup` before, at least one.

    The last of the warm-up steps warms the profiler up; all but the first of the others are timed.
    """
    before = max(warmup, 1) - 1
    first = min(before, 1)
    return Plan(first, before - first, steps, plain_after=steps)
