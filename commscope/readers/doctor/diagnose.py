"""The doctor.

Takes a Run and its ranks' traces, gives findings on what is wrong or missing and what it costs the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from commscope.core import told
from commscope.readers.doctor import of_events, of_runs
from commscope.readers.doctor.evidence import evidence
from commscope.readers.doctor.finding import FINE, INFO, SERIOUS, WARN, Finding
from commscope.readers.doctor.health import RankHealth, health_of
from commscope.trace import Gap, RankTrace, Run

SCHEMA = "commscope.doctor/1"


def examine(run: Run, traces: Iterable[RankTrace]) -> tuple[Finding, ...]:
    """Findings on a run; traces are looked at one after another and may be read lazily."""
    return diagnose(run, [health_of(trace) for trace in traces])


def diagnose(run: Run, ranks: Sequence[RankHealth]) -> tuple[Finding, ...]:
    """Findings from the health of each rank; serious ones first, then as looked at."""
    found = [
        of_runs.generation(run, ranks),
        of_runs.present(run),
        of_runs.reading(ranks),
        of_runs.steps(ranks),
        of_runs.phases(ranks),
        of_events.launched(ranks),
        of_events.told(ranks),
        of_events.counts(ranks),
        *evidence(ranks, run.info),
        of_events.clocks(ranks),
        of_events.order(ranks),
        *_gaps(run, ranks),
    ]
    levels = (SERIOUS, WARN, INFO, FINE)
    return tuple(sorted(found, key=lambda finding: levels.index(finding.level)))


def as_json(run: Run, findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings in a form that JSON takes."""
    return {
        "schema": SCHEMA,
        "run": run.info.name,
        "findings": [asdict(finding) for finding in findings],
        "reader": told(),
    }


def _gaps(run: Run, ranks: Sequence[RankHealth]) -> list[Finding]:
    """What the readers named already, ranks gathered."""
    gathered: dict[tuple[str, str], tuple[Gap, list[int]]] = {}
    for gap in (*run.gaps, *(gap for rank in ranks for gap in rank.gaps)):
        gathered.setdefault((gap.code, gap.message), (gap, []))[1].extend(gap.ranks)
    return [
        Finding(
            gap.code,
            SERIOUS if gap.serious else INFO,
            gap.message,
            tuple(sorted(set(members))),
            gap.cost,
            gap.hint,
        )
        for gap, members in gathered.values()
    ]


__all__ = ["FINE", "INFO", "SERIOUS", "WARN", "Finding", "as_json", "diagnose", "examine", "health_of"]
