"""A program that goes its own way, told where its steps end: a session, and the facts it leaves.

Facts are taken when the profiled steps are done, since a program may close its process groups before it ends;
what the steps after them tell is added at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from commscope.errors import RecordFailed
from commscope.record.handover.facts import RankFacts, write_facts
from commscope.record.handover.request import BY_OPTIMIZER, BY_TIME, RecordRequest
from commscope.record.handover.step_plan import script_plan
from commscope.record.marks.ledger import Ledger, Marks
from commscope.record.marks.ranges import open_timelines
from commscope.record.memory import Memory, StepMemory
from commscope.record.rank.collect import collect_facts
from commscope.record.rank.own_profiler import OwnProfiler
from commscope.record.rank.session import Rank, Session
from commscope.trace import Gap

_OTHER_STEPS = {BY_OPTIMIZER: "or --steps-by call, or time", BY_TIME: "a step is a second"}


class Steps(Protocol):
    """What a program is given to say where its steps end."""

    def end_step(self, loss: float | None = None) -> None:
        """Call this after every step."""


class NoSteps:
    """Steps that nobody records, or that are told elsewhere."""

    def end_step(self, loss: float | None = None) -> None:
        """Nothing to do."""


class Program:
    """The steps of one rank of a program that is none of ours."""

    def __init__(self, request: RecordRequest, rank: Rank, memory: Memory | None = None) -> None:
        plan = script_plan(request.warmup, request.steps)
        self.session = Session(request, rank, Marks(open_timelines(), Ledger()), plan)
        self._memory = memory or StepMemory(rank.rank, rank.device, plan)
        self.session.at_border = self._memory
        self.own_profiler = OwnProfiler()
        self._facts: RankFacts | None = None

    def end_step(self, loss: float | None = None) -> None:
        """A border between two steps."""
        self.session.end_step(loss)
        if self.session.is_done and self._facts is None:
            self._facts = collect_facts(self.session, complete=True)

    def leave_facts(self, *, complete: bool) -> None:
        """Write what this rank knows; call at the end, however it came."""
        self._memory.abandon()
        session = self.session
        facts = self._facts or collect_facts(session, complete=complete and session.profiled_steps > 0)
        write_facts(
            session.request.work_folder,
            replace(
                facts,
                step_times=tuple(session.step_times),
                losses=tuple(session.losses),
                cpu=session.cpu.use,
                memory=self._memory.rows(),
                gaps=(
                    *facts.gaps,
                    *fewer_steps(session),
                    *self._memory.gaps(),
                    *self.own_profiler.gaps(session.rank.rank),
                    *_never_told(session),
                ),
            ),
        )

    def require_trace(self) -> None:
        """Raise RecordFailed where the program made too few steps for any trace."""
        session = self.session
        if not session.profiled_steps:
            what = f"{_ended_after(session)}, before the first profiled one did"
            raise RecordFailed(what, hint=_needed(session))


def fewer_steps(session: Session) -> Sequence[Gap]:
    """Says that fewer steps were profiled than asked for."""
    wanted = session.plan.profiled
    if session.profiled_steps == wanted:
        return ()
    what = f"{_ended_after(session)}: {session.profiled_steps} of {wanted} profiled"
    return (Gap("fewer_steps", what, (session.rank.rank,), hint=_needed(session)),)


def _never_told(session: Session) -> Sequence[Gap]:
    """What only a program that knows of CommScope can tell."""
    ranks = (session.rank.rank,)
    ledger = Gap("no_ledger", "no ledger: only the built-in workloads keep one", ranks, serious=False)
    losses = Gap("no_losses", "no losses: the program told none", ranks, serious=False)
    return (ledger,) if session.losses else (ledger, losses)


def _ended_after(session: Session) -> str:
    steps = "1 step" if session.step == 1 else f"{session.step} steps"
    return f"{session.request.workload} ended after {steps}"


def _needed(session: Session) -> str:
    request, plan = session.request, session.plan
    how = _OTHER_STEPS.get(request.steps_by, "a step is a call")
    return f"--warmup {request.warmup} --steps {request.steps} need {plan.total} steps; {how}"
