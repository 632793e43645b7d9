"""`with commscope.expect(all_reduce=2): step()`: fails where the block issues anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from commscope.errors import UsageProblem
from commscope.schema import Collective
from commscope.testing.issued import Issued, issued_inside
from commscope.theory.volume import step_volume
from commscope.trace import Layout, ModelShape

Bytes = int | Literal["theory"] | None


@dataclass
class Watched:
    """What `expect` gives; filled when the block has ended."""

    issued: Issued = field(default_factory=Issued)


@contextmanager
def expect(
    *,
    payload_bytes: int | None = None,
    wire_bytes: Bytes = None,
    layout: Layout | None = None,
    model: ModelShape | None = None,
    others: bool = False,
    **counts: int,
) -> Iterator[Watched]:
    """Count the collectives that this rank issues inside, on gloo or with a device that is profiled.

    `counts` are by kind (`all_reduce=2, all_gather=0`); a kind that is not named may not occur, unless
    `others`. `payload_bytes` are whole tensors; `wire_bytes` what this rank sends on a ring, or "theory": the
    closed form of one step of a `layout` and `model`. Work that nobody waited for inside is not counted.

    Raises AssertionError where something else was issued, UsageProblem where the question makes no sense or
    another profiler runs.
    """
    wanted = {kind: counts[kind] for kind in counts if kind in set(Collective)}
    unknown = sorted(set(counts) - set(wanted))
    if unknown:
        raise UsageProblem(f"no collective is called {unknown[0]}", hint=f"one of {', '.join(Collective)}")
    wire = _wire(wire_bytes, layout, model)
    watched = Watched()
    with issued_inside() as found:
        yield watched
    watched.issued = issued = found.issued
    problems = _wrong_counts(issued, wanted, others=others)
    problems += _wrong_bytes("payload", issued.payload_bytes, payload_bytes)
    problems += _wrong_bytes("wire", issued.wire_bytes, wire)
    if problems:
        raise AssertionError("; ".join(problems) + f"\nissued: {issued.in_words()}")


def _wire(said: Bytes, layout: Layout | None, model: ModelShape | None) -> int | None:
    if said != "theory":
        return said
    if layout is None or model is None:
        raise UsageProblem(
            "wire_bytes='theory' needs the layout and the model it is of",
            hint="expect(wire_bytes='theory', layout=Layout(tp=2), model=ModelShape(...)), or a number",
        )
    return sum(row.total_wire_bytes for row in step_volume(layout, model))


def _wrong_counts(issued: Issued, wanted: dict[str, int], *, others: bool) -> list[str]:
    kinds = set(wanted) if others else set(wanted) | set(issued.counts)
    return [
        f"expected {wanted.get(kind, 0)} {kind}, issued {issued.counts.get(kind, 0)}"
        for kind in sorted(kinds)
        if wanted.get(kind, 0) != issued.counts.get(kind, 0)
    ]


def _wrong_bytes(what: str, issued: int | None, wanted: int | None) -> list[str]:
    if wanted is None or issued == wanted:
        return []
    told = "cannot be told: a collective has no size" if issued is None else f"issued {issued}"
    return [f"expected {wanted} {what} bytes, {told}"]
