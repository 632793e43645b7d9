"""A simulator of ranks that knows all answers: programs in, recorded traces and the truth out.

A program is a list of instructions one rank's host thread carries out:
    Compute(ns)                  a kernel on stream 7 (gloo: an operator on the host thread)
    Comm("all_reduce", bytes)    a collective; with wait=False it runs beside what follows, until Wait()
    Wait()                       waits for every collective not yet waited for
    Host(ns)                     the host thinks
    Sync()                       the host waits for the device (gloo: nothing)
    Step(number)                 begins a step, which lasts until the next one or the end
`simulate(world, programs)` runs them in true time. On the device: a kernel starts `latency_ns` after its launch, after
what stream 7 ran before it and after the collectives waited for; a collective also starts after all work launched
before it; every rank of an n-to-n collective ends when `transfer(...)` has passed since the last arrived. With gloo
the worker starts `latency_ns` after the issue, one collective after the other, and a waiting host goes on when it
ends. Nothing here is shared with the code under test.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from commscope.schema import EventKind
from commscope.trace import CommFacts, Lane, ProcessGroup, RankTrace
from tests.build import OPS, Row, trace_of

EPOCH_NS = 1_700_000_000_000_000_000
MAIN, COMPUTE_LANE = Lane("1", "main"), Lane("0", "stream 7", device=0, stream=7)
COMM_LANE, WORKER = Lane("0", "stream 20", device=0, stream=20), Lane("1", "worker")


@dataclass(frozen=True)
class Compute:
    """Work of the rank itself."""

    ns: int
    name: str = "aten::mm"


@dataclass(frozen=True)
class Comm:
    """One collective of the group of all ranks."""

    kind: str = "all_reduce"
    bytes: int = 4096
    wait: bool = True


@dataclass(frozen=True)
class Wait:
    """Waits for every collective not yet waited for."""


@dataclass(frozen=True)
class Host:
    """The host thinks."""

    ns: int


@dataclass(frozen=True)
class Sync:
    """The host waits for the device."""


@dataclass(frozen=True)
class Step:
    """Begins a step."""

    number: int


Instruction = Compute | Comm | Wait | Host | Sync | Step
Program = Sequence[Instruction]


def line(kind: str, size: int) -> int:
    """A network of 10 us and 1 GB/s."""
    return 10_000 + size


@dataclass(frozen=True)
class World:
    """What the ranks run on, and how their recording differs from the truth."""

    style: str = "cuda"
    latency_ns: int = 4_000
    call_ns: int = 1_000
    transfer: Callable[[str, int], int] = line
    offsets_ns: Mapping[int, int] = field(default_factory=dict)
    drift_ppm: Mapping[int, float] = field(default_factory=dict)
    jitter_ns: int = 0  # ends of a collective differ by up to that
    dropped: frozenset[tuple[int, int]] = frozenset()  # (rank, collective) that no record tells of
    facts: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Simulation:
    """True times of everything that happened, and the traces recorded of it."""

    world: World
    rows: dict[int, list[Row]]
    starts_ns: dict[tuple[int, int], int]  # (rank, collective)
    ends_ns: dict[tuple[int, int], int]
    waits_ns: dict[int, list[tuple[int, int]]] = field(
        default_factory=dict
    )  # when hosts waited for a collective

    @property
    def span_ns(self) -> tuple[int, int]:
        """First start and last end of what occupies a device, over all ranks (gloo: of operators and workers)."""
        timed = [row for rows in self.rows.values() for row in rows if self._occupies(row)]
        return min(row.start_ns for row in timed), max(row.end_ns for row in timed)

    @property
    def makespan_ns(self) -> int:
        """Length of the whole."""
        start, end = self.span_ns
        return end - start

    def culprit(self, collective: int) -> int:
        """The rank that came last."""
        starts = {rank: start for (rank, k), start in self.starts_ns.items() if k == collective}
        return max(starts, key=lambda rank: starts[rank])

    def traces(self) -> list[RankTrace]:
        """What each rank recorded, on its own clock."""
        ranks = tuple(self.rows)
        return [
            trace_of(
                [self._recorded(rank, row) for row in rows],
                rank=rank,
                backend="nccl" if self.world.style == "cuda" else "gloo",
                world_size=len(ranks),
                groups=(ProcessGroup("tp", "tp", ranks),),
            )
            for rank, rows in self.rows.items()
        ]

    def _occupies(self, row: Row) -> bool:
        if self.world.style == "cuda":
            return row.lane.device >= 0
        return not row.name.startswith("ProfilerStep")

    def _recorded(self, rank: int, row: Row) -> Row:
        ppm, offset = self.world.drift_ppm.get(rank, 0.0), self.world.offsets_ns.get(rank, 0)

        def stamp(time_ns: int) -> int:
            return EPOCH_NS + time_ns + offset + round(time_ns * ppm * 1e-6)

        return Row(
            stamp(row.start_ns), stamp(row.end_ns), row.kind, row.name, row.lane, row.correlation,
            row.external_id, facts=row.facts,
        )  # fmt: skip


def simulate(world: World, programs: Mapping[int, Program]) -> Simulation:
    """Runs every rank's program; all ranks issue equally many collectives."""
    random = np.random.default_rng(world.seed)
    runners = {rank: _Runner(world, len(programs), program) for rank, program in programs.items()}
    running = {rank: runner.run() for rank, runner in runners.items()}
    waiting = {rank: next(run, None) for rank, run in running.items()}
    starts: dict[tuple[int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    for k in range(max((runner.total for runner in runners.values()), default=0)):
        arrivals = {rank: arrival for rank, arrival in waiting.items() if arrival is not None}
        kind, size = next(iter(runners.values())).current
        end = max(arrivals.values()) + world.transfer(kind, size)
        for rank, arrival in arrivals.items():
            starts[rank, k] = arrival
            ends[rank, k] = end + int(random.integers(world.jitter_ns + 1))
            waiting[rank] = _send(running[rank], ends[rank, k])
    rows = {
        rank: [row for row, k in runner.rows if (rank, k) not in world.dropped]
        for rank, runner in runners.items()
    }
    return Simulation(world, rows, starts, ends, {rank: runner.waits_ns for rank, runner in runners.items()})


def _send(run: Generator[int, int, None], end_ns: int) -> int | None:
    try:
        return run.send(end_ns)
    except StopIteration:
        return None


class _Runner:
    """One rank: yields the arrival of each collective and is sent its end."""

    def __init__(self, world: World, ranks: int, program: Program) -> None:
        self.world, self.ranks, self.program = world, ranks, program
        self.total = sum(isinstance(one, Comm) for one in program)
        self.rows: list[tuple[Row, int]] = []
        self.host = self.busy_until = self.comm_until = 0
        self.awaited = 0  # when the collectives that stream 7 waits for have ended
        self.open_until = 0  # when the collectives nobody waits for yet have ended
        self.current = ("", 0)
        self.count = -1
        self.correlation = 0
        self.step: tuple[int, int] | None = None
        self.waits_ns: list[tuple[int, int]] = []

    def run(self) -> Generator[int, int, None]:
        for one in self.program:
            if isinstance(one, Comm):
                yield from self._comm(one)
            elif isinstance(one, Compute):
                self._compute(one)
            elif isinstance(one, Host):
                self.host += one.ns
            elif isinstance(one, Wait):
                self._wait()
            elif isinstance(one, Sync) and self.world.style == "cuda":
                self._sync()
            elif isinstance(one, Step):
                self._mark(one.number)
        self._mark(-1)

    def _add(self, span: tuple[int, int], kind: EventKind, name: str, lane: Lane, **more: object) -> None:
        self.rows.append((Row(*span, kind, name, lane, **more), self.count if "facts" in more else -1))  # type: ignore[arg-type]

    def _call(self, name: str, correlation: int = -1, length_ns: int | None = None) -> int:
        """A call of the host; gives its start."""
        start = self.host
        self.host += self.world.call_ns if length_ns is None else length_ns
        self._add((start, self.host), EventKind.RUNTIME, name, MAIN, correlation=correlation)
        return start

    def _compute(self, one: Compute) -> None:
        if self.world.style == "gloo":
            self._add((self.host, self.host + one.ns), EventKind.OP, one.name, MAIN)
            self.host += one.ns
            return
        self.correlation += 1
        launched = self._call("cudaLaunchKernel", self.correlation)
        start = max(launched + self.world.latency_ns, self.busy_until, self.awaited)
        self.busy_until = start + one.ns
        self._add(
            (start, self.busy_until), EventKind.KERNEL, "gemm", COMPUTE_LANE, correlation=self.correlation
        )

    def _comm(self, one: Comm) -> Generator[int, int, None]:
        self.count += 1
        self.current = (one.kind, one.bytes)
        facts = self._facts(one)
        _, op, kernel = OPS[one.kind]
        issued = self.host
        if self.world.style == "gloo":
            self.host += self.world.call_ns
            shapes = CommFacts(shapes=facts.shapes, dtypes=facts.dtypes)
            self._add((issued, self.host), EventKind.OP, op, MAIN, facts=shapes)
            start = max(issued + self.world.latency_ns, self.comm_until)
            end = yield start
            told = CommFacts(shapes=facts.shapes[-1:], dtypes=facts.dtypes)
            ran = "all_reduce" if one.kind == "reduce_scatter" else one.kind
            self._add((start, end), EventKind.ANNOTATION, f"gloo:{ran}", WORKER, facts=told)
        else:
            self._call("cudaStreamWaitEvent")
            self.correlation += 1
            launched = self._call("cudaLaunchKernelExC", self.correlation)
            start = max(launched + self.world.latency_ns, self.comm_until, self.busy_until)
            end = yield start
            told = facts if self.world.facts else CommFacts()
            self._add(
                (start, end), EventKind.KERNEL, f"ncclDevKernel_{kernel}()", COMM_LANE,
                correlation=self.correlation, facts=told,
            )  # fmt: skip
        self.comm_until = end
        self.open_until = max(self.open_until, end)
        if one.wait:
            self._wait()

    def _wait(self) -> None:
        if self.world.style == "gloo":
            self._stand(self.open_until)
            self.host = max(self.host, self.open_until)
            return
        self._call("cudaStreamWaitEvent")
        self.awaited = max(self.awaited, self.open_until)

    def _sync(self) -> None:
        done = max(self.busy_until, self.comm_until)
        self._stand(done if self.comm_until > self.busy_until else 0)
        length = max(self.world.call_ns, done + self.world.call_ns - self.host)
        self._call("cudaDeviceSynchronize", length_ns=length)

    def _stand(self, until: int) -> None:
        if until > self.host:
            self.waits_ns.append((self.host, until))

    def _mark(self, number: int) -> None:
        if self.step is not None and self.host > self.step[1]:
            span = (self.step[1], self.host)
            self._add(span, EventKind.ANNOTATION, f"ProfilerStep#{self.step[0]}", MAIN)
        self.step = (number, self.host)

    def _facts(self, one: Comm) -> CommFacts:
        whole = one.bytes // 4
        part = whole // self.ranks
        count_in = part if one.kind == "all_gather" else whole
        count_out = part if one.kind == "reduce_scatter" else whole
        return CommFacts(
            collective=OPS[one.kind][0], in_elements=count_in, out_elements=count_out, dtype="float32", group="tp",
            group_size=self.ranks, group_ranks=tuple(range(self.ranks)), seq=self.count + 1,
            is_async=not one.wait, dtypes=("float32",),
            shapes=((count_out,), (count_in,)) if count_in != count_out else ((whole,),),
        )  # fmt: skip
