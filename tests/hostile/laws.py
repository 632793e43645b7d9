"""What holds for every analysis, whatever was read: the laws of docs/design.md."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from commscope.analysis.result import Analysis, CriticalPath
from commscope.schema import CAPTURE


def check_laws(analysis: Analysis) -> None:
    """Raises AssertionError where one is broken."""
    _breakdown(analysis)
    _instances(analysis)
    _stalls(analysis)
    for path in analysis.critical_paths:
        _path(path)


def _breakdown(analysis: Analysis) -> None:
    spans = {(rank, w.name): w.span_ns for rank, windows in analysis.rank_windows.items() for w in windows}
    for row in analysis.breakdown:
        parts = (row.compute_ns, row.exposed_ns, row.copy_ns, row.host_bound_ns or 0, row.idle_ns)
        assert min(parts) >= 0, row
        assert sum(parts) == row.span_ns == spans[row.rank, row.window], row
        assert row.overlapped_ns + row.exposed_ns == row.communication_ns, row
        if row.compute_by_phase_ns is not None:
            assert sum(row.compute_by_phase_ns.values()) <= row.compute_ns, row  # the rest has no phase


def _instances(analysis: Analysis) -> None:
    table = analysis.instances
    duration = table["end_ns"] - table["start_ns"]
    assert (duration >= 0).all()
    told = table[table["wait_ns"].notna()]
    assert (told["wait_ns"] + told["transfer_ns"] == duration[told.index]).all()
    assert (told[["wait_ns", "transfer_ns", "lateness_ns"]] >= 0).all(axis=None)
    matched = table[table["instance"].notna()]
    for _, rows in matched.groupby("instance"):
        assert rows["rank"].is_unique, rows
        assert (
            rows["collective"].nunique() == 1 or rows["is_p2p"].all() or "unknown" in set(rows["collective"])
        ), rows


def _stalls(analysis: Analysis) -> None:
    told = analysis.instances
    waits = told[told["wait_ns"].notna() & told["culprit"].notna() & (told["culprit"] != told["rank"])]
    for stall in analysis.stalls:
        assert stall.victim != stall.culprit, stall
        assert stall.wait_ns > 0, stall
        if stall.causes_ns:
            assert sum(stall.causes_ns.values()) == stall.wait_ns, stall
    for window in {stall.window for stall in analysis.stalls} - {CAPTURE}:
        here = waits[waits["window"] == window]
        for victim in {stall.victim for stall in analysis.stalls if stall.window == window}:
            said = sum(s.wait_ns for s in analysis.stalls if (s.window, s.victim) == (window, victim))
            # waits at once count once, and a wait that outlasts its window to the end of that
            assert said <= int(here.loc[here["rank"] == victim, "wait_ns"].sum()), (window, victim)


def _path(path: CriticalPath) -> None:
    assert sum(part.end_ns - part.start_ns for part in path.parts) == path.length_ns, path.window
    assert all(part.end_ns >= part.start_ns for part in path.parts), path.window
    assert all(one.end_ns == other.start_ns for one, other in pairwise(path.parts)), path.window
    for split in (path.by_kind_ns, path.by_rank_ns):
        assert sum(split.values()) == path.length_ns, path.window
    assert 0 <= path.blocking_ns <= path.length_ns
    assert all(slack >= 0 for slack in path.slack_ns.values()), path.window
    assert np.isfinite(path.length_ns)
