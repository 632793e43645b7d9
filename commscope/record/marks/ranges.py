"""Ranges on the timeline of the profiler and of NVTX, after the grammar at the end of `schema`.

Takes names and facts, gives context managers. Outside a profiler a range costs well under a microsecond:
torch's fast record function looks at one thread-local flag, and NVTX without a tool calls a stub.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from commscope.schema import (
    COLLECTIVE_RANGE,
    DTYPE_BYTES,
    LAYER_RANGE,
    MICROBATCH_RANGE,
    NVTX_DOMAIN,
    PHASE_RANGE,
)

Fact = str | int | float | bool
FastRange = Callable[[str, dict[str, Fact]], AbstractContextManager[Any]]

_CATEGORIES = (PHASE_RANGE, LAYER_RANGE, MICROBATCH_RANGE, COLLECTIVE_RANGE)


@dataclass(frozen=True, slots=True)
class CollectiveFacts:
    """What the program says about one collective before it starts."""

    collective: str
    role: str
    group: str
    group_size: int
    dtype: str  # a key of schema.DTYPE_BYTES
    elements: int  # of the whole tensor
    seq: int  # position among the collectives of its group
    op: str = ""  # sum, max; empty where nothing is reduced
    is_async: bool = False

    @property
    def payload_bytes(self) -> int:
        """nccl-tests' size S: the whole tensor."""
        return self.elements * DTYPE_BYTES[self.dtype]

    def as_args(self) -> dict[str, Fact]:
        """The facts under the names of the grammar."""
        return {
            "op": self.op,
            "role": self.role,
            "group": self.group,
            "size": self.group_size,
            "dtype": self.dtype,
            "elements": self.elements,
            "seq": self.seq,
            "async": self.is_async,
        }


def name_with_facts(name: str, facts: dict[str, Fact]) -> str:
    """A range name with its facts appended: `name|key=value|key=value`."""
    return name + "".join(f"|{key}={value}" for key, value in facts.items() if value != "")


def fast_range() -> FastRange:
    """How this torch marks a range: its fast record function, or the public one, facts in the name."""
    try:
        from torch._C._profiler import _RecordFunctionFast

        _RecordFunctionFast("commscope:probe", (), {"elements": 1})
    except (ImportError, TypeError):
        from torch.profiler import record_function

        return lambda name, facts: record_function(name_with_facts(name, facts))
    return lambda name, facts: _RecordFunctionFast(name, (), facts)


class NvtxDomain:
    """The NVTX domain `commscope`, with the attributes of each name made once."""

    def __init__(self) -> None:
        import nvtx

        self._domain = nvtx.get_domain(NVTX_DOMAIN)
        self._categories = {
            prefix: self._domain.get_category_id(prefix.removeprefix("commscope:").removesuffix(":"))
            for prefix in _CATEGORIES
        }
        self._attributes: dict[tuple[str, int], Any] = {}

    def push(self, name: str, prefix: str, payload: int) -> None:
        """Open a range; the payload is a size in bytes, a layer or 0."""
        key = (name, payload)
        attributes = self._attributes.get(key)
        if attributes is None:
            attributes = self._domain.get_event_attributes(
                message=name, category=self._categories[prefix], payload=payload
            )
            self._attributes[key] = attributes
        self._domain.push_range(attributes)

    def pop(self) -> None:
        """Close the innermost range of this thread."""
        self._domain.pop_range()


def nvtx_domain() -> NvtxDomain | None:
    """The domain, or None where nvtx is missing: ranges then stand on the profiler's timeline alone."""
    try:
        return NvtxDomain()
    except ImportError:
        return None


class Range:
    """One range on both timelines."""

    __slots__ = ("_nvtx", "_payload", "_prefix", "_profiler", "name")

    def __init__(
        self, name: str, prefix: str, timelines: Timelines, facts: dict[str, Fact], payload: int
    ) -> None:
        self.name = name
        self._prefix = prefix
        self._payload = payload
        self._nvtx = timelines.nvtx
        self._profiler = timelines.profiler(name, facts)

    def __enter__(self) -> Self:
        if self._nvtx is not None:
            self._nvtx.push(self.name, self._prefix, self._payload)
        self._profiler.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._profiler.__exit__(kind, value, trace)
        if self._nvtx is not None:
            self._nvtx.pop()


@dataclass(frozen=True, slots=True)
class Timelines:
    """Where ranges go."""

    profiler: FastRange
    nvtx: NvtxDomain | None

    def push_step(self, step: int) -> None:
        """Open a step for NVTX tools; torch's profiler marks its steps itself."""
        if self.nvtx is not None:
            self.nvtx.push(f"ProfilerStep#{step}", PHASE_RANGE, step)

    def pop(self) -> None:
        """Close what `push_step` opened."""
        if self.nvtx is not None:
            self.nvtx.pop()

    def phase(self, phase: str) -> Range:
        """A part of the step."""
        return Range(PHASE_RANGE + phase, PHASE_RANGE, self, {}, 0)

    def layer(self, layer: int) -> Range:
        """A layer of the model."""
        return Range(f"{LAYER_RANGE}{layer}", LAYER_RANGE, self, {}, layer)

    def microbatch(self, microbatch: int) -> Range:
        """A microbatch of the step."""
        return Range(f"{MICROBATCH_RANGE}{microbatch}", MICROBATCH_RANGE, self, {}, microbatch)

    def collective(self, facts: CollectiveFacts) -> Range:
        """A collective with its facts; the NVTX payload is its size in bytes."""
        name = COLLECTIVE_RANGE + facts.collective
        return Range(name, COLLECTIVE_RANGE, self, facts.as_args(), facts.payload_bytes)


def open_timelines() -> Timelines:
    """Both timelines as far as this environment has them."""
    return Timelines(fast_range(), nvtx_domain())
