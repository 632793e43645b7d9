"""What a figure is drawn of: Analysis | Comparison -> labelled runs, each with the window to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile

import pandas as pd

from commscope.analysis.result import Analysis, CriticalPath, RankBreakdown, Stall, Window
from commscope.analysis.summary import breakdown_of, instances_in, step_windows, typical_window
from commscope.analysis.waits import counted_once
from commscope.compare import Comparison
from commscope.schema import CAPTURE

MEDIAN = "median"
NO_PHASE = "phase not told"
_LONGEST_LABEL = 22
_TABLES_KEPT = 16


@dataclass(frozen=True, slots=True)
class Focus:
    """What a reader picked out of a run; None is everything."""

    rank: int | None = None
    phase: str | None = None
    collective: str | None = None
    instance: int | None = None

    @property
    def on_instances(self) -> bool:
        """Whether it leaves out collectives other than by their rank."""
        return any(part is not None for part in (self.phase, self.collective, self.instance))

    def keeps(self, phase: str, collective: str) -> bool:
        """Whether collectives of that phase and kind stay."""
        return self.phase in (None, phase) and self.collective in (None, collective)


EVERYTHING = Focus()


@dataclass(frozen=True, slots=True)
class Focused:
    """Runs, narrowed to what a reader picked out."""

    subject: Analysis | Comparison
    focus: Focus


Subject = Analysis | Comparison | Focused


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One run as a figure shows it: a label, its analysis and the name of one window of it.

    Two are equal when they show the same of the very same analysis, so that what is costly is kept by them.
    """

    label: str
    analysis: Analysis
    window: str
    focus: Focus = EVERYTHING

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Shown)
            and self.analysis is other.analysis
            and (self.label, self.window, self.focus) == (other.label, other.window, other.focus)
        )

    def __hash__(self) -> int:
        return hash((id(self.analysis), self.label, self.window, self.focus))

    @property
    def span(self) -> Window:
        """The window over all ranks, on the common clock."""
        found = [window for window in self.analysis.windows if window.name == self.window]
        return found[0] if found else Window(self.window, 0, 0)

    @property
    def breakdown(self) -> tuple[RankBreakdown, ...]:
        """Breakdown rows of the window, by rank."""
        rows = breakdown_of(self.analysis, self.window)
        return tuple(row for row in rows if row.rank in self.ranks)

    @property
    def all_instances(self) -> pd.DataFrame:
        """Collective instances of the window, all ranks."""
        return _instances(Shown("", self.analysis, self.window))

    @property
    def instances(self) -> pd.DataFrame:
        """Collective instances of the window in focus."""
        return _instances(Shown("", self.analysis, self.window, self.focus))

    def absent(self, what: str) -> str:
        """Why there is nothing to say of the instances: not captured, or not among what was picked out."""
        if self.instances.empty and not self.all_instances.empty:
            return "nothing of what is picked out is in this window"
        return f"{what} is not captured"

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """Stalls of the window; of the collectives in focus, where some are."""
        if self.focus.on_instances:
            return _stalls(self)
        rank = self.focus.rank
        return tuple(
            stall
            for stall in self.analysis.stalls
            if stall.window == self.window and rank in (None, stall.victim, stall.culprit)
        )

    @property
    def path(self) -> CriticalPath | None:
        """Critical path of the window, where it could be found."""
        return next((path for path in self.analysis.critical_paths if path.window == self.window), None)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of the run in focus."""
        return tuple(rank for rank in self.all_ranks if self.focus.rank in (None, rank))

    @property
    def all_ranks(self) -> tuple[int, ...]:
        """Ranks of the run."""
        return self.analysis.ranks


def shown(subject: Subject, window: str = MEDIAN) -> tuple[Shown, ...]:
    """The runs of a subject: one of an Analysis; baseline, then candidate, of a Comparison."""
    focus = subject.focus if isinstance(subject, Focused) else EVERYTHING
    subject = subject.subject if isinstance(subject, Focused) else subject
    if isinstance(subject, Comparison):
        analyses: tuple[Analysis, ...] = (subject.baseline, subject.candidate)
    else:
        analyses = (subject,)
    labels = run_labels([analysis.run.name for analysis in analyses])
    return tuple(
        Shown(label, analysis, resolve(analysis, window), focus)
        for label, analysis in zip(labels, analyses, strict=True)
    )


def resolve(analysis: Analysis, window: str) -> str:
    """Name of the window to show: the one asked for if the run has it, else its typical one."""
    known = {known.name for known in analysis.windows}
    return window if window in known else typical_window(analysis)


def window_choices(runs: Sequence[Shown]) -> tuple[str, ...]:
    """What a step selector offers: the median step, the steps all runs have, the whole capture."""
    steps = [step_windows(run.analysis) for run in runs]
    common = [name for name in steps[0] if all(name in names for names in steps)] if steps else []
    return (*([MEDIAN] if common else []), *common, CAPTURE)


def window_words(runs: Sequence[Shown]) -> str:
    """Which windows are shown, for a title: `step 3`, or `step 3 | step 4` where the runs differ."""
    names = list(dict.fromkeys("whole capture" if run.window == CAPTURE else run.window for run in runs))
    return " | ".join(names)


def run_labels(names: Sequence[str]) -> tuple[str, ...]:
    """Short labels that stay distinct: names less the words they share in front, else their roles."""
    shared = _shared_words(names) if len(names) > 1 else 0
    labels = tuple(_shorten(name[shared:]) for name in names)
    if len(set(labels)) == len(labels):
        return labels
    roles = ("baseline", "candidate")
    return tuple(f"{_shorten(name, 8)} ({role})" for name, role in zip(names, roles, strict=False))


def _shared_words(names: Sequence[str]) -> int:
    """Length of the whole words that all names begin with."""
    together = list(takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False)))
    ends = [place for place, letters in enumerate(together) if letters[0] in "-_. "]
    return 1 + max(ends, default=-1)


def _shorten(name: str, longest: int = _LONGEST_LABEL) -> str:
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


@lru_cache(maxsize=_TABLES_KEPT)
def _instances(run: Shown) -> pd.DataFrame:
    table, focus = instances_in(run.analysis, run.window), run.focus
    if focus.rank is not None:
        table = table[table["rank"] == focus.rank]
    if focus.phase is not None:
        phase = table["phase"]
        table = table[phase.isna() if focus.phase == NO_PHASE else phase == focus.phase]
    if focus.collective is not None:
        table = table[table["collective"] == focus.collective]
    if focus.instance is not None:
        table = table[(table["instance"] == focus.instance).fillna(value=False)]
    return table


def _stalls(run: Shown) -> tuple[Stall, ...]:
    """Stalls of the collectives in focus: each wait is one for the rank that arrived last, and a moment of
    several waits counts once.
    """
    rows = _instances(Shown("", run.analysis, run.window, replace(run.focus, rank=None)))
    rows = counted_once(rows, run.analysis.rank_windows)
    rows = rows[(rows["wait_ns"].fillna(0) > 0) & rows["culprit"].notna() & (rows["rank"] != rows["culprit"])]
    sums = rows.groupby(["rank", "culprit"])["wait_ns"].sum().reset_index()
    stalls = [
        Stall(run.window, int(row["rank"]), int(row["culprit"]), int(row["wait_ns"]))
        for row in sums.to_dict("records")
    ]
    return tuple(stall for stall in stalls if run.focus.rank in (None, stall.victim, stall.culprit))
