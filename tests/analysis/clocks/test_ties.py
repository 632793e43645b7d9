"""Clocks that nothing ties are not compared: no path, no waits and no windows across them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commscope.analysis.clocks import one_clock
from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace
from commscope.report import render
from commscope.report.analysis_sections import analysis_sections
from commscope.trace import RunInfo
from commscope.whatif import Scenario, replay_all
from tests.build import build

US = 1_000
ALONE = (
    "r0: step 0-100 | compute 0-40 | all_reduce 50-90 group=a",
    "r1: step 0-100 | compute 0-60 | all_gather 62-90 group=b",
)
GROUPS = {"a": (0, 2), "b": (1, 3)}


def analysis_of(*lines: str, hosts: Mapping[int, str] | None = None, **options: object) -> Analysis:
    traces = build(*lines, **options)
    placed = [dataclasses.replace(one, host=(hosts or {}).get(one.rank)) for one in traces]
    return join(RunInfo("run", Path("run")), [analyze_rank(one) for one in placed])


def said(analysis: Analysis) -> str:
    return render.text(analysis_sections(analysis))


@pytest.mark.parametrize("shift_us", [0.0, 5.0, 4_295e6])
def test_between_clocks_that_nothing_ties_there_is_no_path_and_the_reason_is_printed(shift_us: float) -> None:
    analysis = analysis_of(*ALONE, groups=GROUPS, offsets_us={1: shift_us})
    assert analysis.critical_paths == ()
    assert "there is no critical path over the ranks" in said(analysis)
    assert "4295" not in said(analysis)
    assert [window.span_ns for window in analysis.windows] == [90 * US, 100 * US]
    with pytest.raises(IncompleteTrace):
        replay_all(analysis, Scenario())


def test_ranks_of_one_host_need_no_tie() -> None:
    analysis = analysis_of(*ALONE, groups=GROUPS, hosts={0: "here", 1: "here"})
    assert analysis.critical_paths
    assert len(analysis.skeletons) == 2
    assert not {gap.code for gap in analysis.gaps} & {"no_clock", "clock_untied"}


def test_a_rank_on_another_clock_is_left_out_of_the_path_and_told() -> None:
    analysis = analysis_of(
        "r0: compute 0-40 | all_reduce 50-90",
        "r1: compute 0-60 | all_reduce 62-90",
        "r2: compute 0-70 | all_gather 70-95 group=b",
        groups={"tp": (0, 1), "b": (2, 3)},
        offsets_us={2: 1e9},
    )
    assert analysis.windows[0].span_ns < 200 * US
    assert {one.rank for one in analysis.skeletons} == {0, 1}
    assert set(analysis.critical_paths[0].by_rank_ns) <= {0, 1}
    (gap,) = [gap for gap in analysis.gaps if gap.code == "clock_untied"]
    assert gap.ranks == (2,)
    assert "the critical path leaves rank 2 out" in said(analysis)


BROADCAST = ("r0: compute 0-10 | broadcast 10-20 peer=0", "r1: compute 0-50 | broadcast 50-60 peer=0")


def test_a_tie_from_one_side_tells_no_wait() -> None:
    """A broadcast says that its receivers end after it began: their clocks may be any time ahead."""
    apart = analysis_of(*BROADCAST, offsets_us={1: 1e6})
    assert apart.matching.matched == 1
    assert apart.instances["wait_ns"].isna().all()
    assert apart.instances["transfer_ns"].isna().all()
    assert apart.critical_paths == ()
    here = analysis_of(*BROADCAST, hosts={0: "here", 1: "here"})
    assert here.instances["wait_ns"].notna().all()
    assert here.critical_paths


def test_windows_that_only_a_rank_on_another_clock_has_are_kept() -> None:
    analysis = analysis_of("r0: compute 0-40", "r1: step 5000-5100 | compute 5000-5060")
    assert [window.name for window in analysis.windows] == ["capture", "step 0"]


@pytest.mark.parametrize("hosts", [{}, {0: "here", 1: "here", 2: "here"}])
def test_a_rank_without_an_event_stands_at_no_time(hosts: dict[int, str]) -> None:
    """Its capture is 0-0: the run's began in 1970, or the others were left out as untied to it."""
    analysis = analysis_of(
        "r0:",
        "r1: compute 0-40 | all_reduce 50-90",
        "r2: compute 0-60 | all_reduce 62-90",
        groups={"tp": (1, 2)},
        hosts=hosts,
    )
    assert [window.span_ns for window in analysis.windows] == [90 * US]
    assert analysis.critical_paths[0].length_ns == 90 * US


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 3), min_size=1),
    st.dictionaries(st.integers(0, 9), st.sampled_from([None, "a", "b"])),
)
def test_clocks_are_the_finest_split_that_ties_and_hosts_allow(
    component: dict[int, int], hosts: dict[int, str | None]
) -> None:
    clock_of = one_clock(sorted(component), component, hosts)
    groups = [{rank} for rank in component]  # merged as long as two share a tie or a host
    named = [{("tie", component[rank]), ("host", hosts.get(rank) or f"rank {rank}")} for rank in component]
    while True:
        pair = next(((a, b) for a in range(len(named)) for b in range(a) if named[a] & named[b]), None)
        if pair is None:
            break
        a, b = pair
        named[b] |= named.pop(a)
        groups[b] |= groups.pop(a)
    assert sorted(map(sorted, groups)) == sorted(
        sorted(rank for rank in clock_of if clock_of[rank] == number) for number in set(clock_of.values())
    )
