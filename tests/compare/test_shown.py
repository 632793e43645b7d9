"""What is shown and what is not: one rule for times, the same whichever side is called the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.check_power import Noise, either_way_rates
from commscope.analysis.result import Analysis
from commscope.compare import Comparison, compare, compare_recordings
from commscope.engine import analyze
from commscope.errors import UsageProblem
from commscope.readers import open_run
from commscope.trace import Layout
from tests.analyses import Call, make_analysis
from tests.conftest import CHECKOUT

SAVED = sorted(file.parent for file in (CHECKOUT / "traces").glob("*/run.json"))
MIRRORED = {"better": "worse", "worse": "better"}
BUSY = {"other_load_cores": 1.4, "other_load_of_cores": 2.0}


def recorded(name: str, paces: Sequence[float], **changes: object) -> list[Analysis]:
    """Recordings of one program; each pace is that of a whole run."""
    return [
        make_analysis(name=f"{name}-{place}", pace=(pace,), **changes) for place, pace in enumerate(paces, 1)
    ]


def step_status(comparison: Comparison) -> str:
    step = comparison.metric("step.time")
    assert step is not None
    return step.status


def assert_mirrored(there: Comparison, back: Comparison) -> None:
    answers = {row.metric: row for row in back.metrics}
    assert {row.metric for row in there.metrics} == answers.keys()
    for row in there.metrics:
        other = answers[row.metric]
        assert (row.baseline, row.candidate) == (other.candidate, other.baseline), row.metric
        assert other.status == MIRRORED.get(row.status, row.status), row.metric
        assert row.noise == pytest.approx(other.noise), row.metric
    assert there.comparable == back.comparable


def test_one_recording_a_side_shows_no_winner_however_far_apart() -> None:
    comparison = compare(make_analysis(), make_analysis(name="b", pace=(2.0,)))
    assert step_status(comparison) == "within-noise"
    assert not comparison.is_time_shown
    assert "step not shown slower" in comparison.headline
    assert "one recording a side cannot tell from chance, 3 can" in comparison.verdict


def test_three_recordings_a_side_that_agree_show_one() -> None:
    comparison = compare_recordings(recorded("a", (1.0, 1.01, 0.99)), recorded("b", (1.2, 1.21, 1.22)))
    assert step_status(comparison) == "worse"
    assert comparison.headline.startswith("a → b: ")
    # (1.2 + c) / (1.0 + c) - 1 with c = 0.0917 ms of transfers beside 1 ms of compute
    assert "step slower in 3 of 3, by 18.2 to 21.3 %" in comparison.headline
    assert (
        "faster in 3 of 3"
        in compare_recordings(recorded("b", (1.2, 1.21, 1.22)), recorded("a", (1.0, 1.01, 0.99))).headline
    )


def test_recordings_that_overlap_show_nothing_and_say_how_often() -> None:
    comparison = compare_recordings(recorded("a", (1.0, 1.3, 0.9)), recorded("b", (1.2, 1.21, 1.22)))
    assert step_status(comparison) == "within-noise"
    assert "not shown slower (it was in 2 of 3 recordings)" in comparison.verdict


def test_other_programs_on_the_machine_leave_no_winner_in_time_but_bytes_stay_exact() -> None:
    busy = recorded("b", (1.2, 1.21, 1.22), host=BUSY, layout=Layout(tp=2, sp=True))
    comparison = compare_recordings(recorded("a", (1.0, 1.01, 0.99)), busy)
    assert step_status(comparison) == "within-noise"
    assert "other programs kept busy 1.4 of 2 cores in b" in comparison.verdict
    assert "31.0 % more wire bytes" in comparison.headline


def test_two_steps_a_recording_are_too_few() -> None:
    sides = [recorded(name, paces, steps=2) for name, paces in (("a", (1.0,) * 3), ("b", (1.2,) * 3))]
    assert step_status(compare_recordings(*sides)) == "within-noise"


def test_recordings_of_two_configurations_are_not_one_side() -> None:
    with pytest.raises(UsageProblem, match=r"versions\.torch"):
        compare_recordings([make_analysis(), make_analysis(versions={"torch": "2.4"})], [make_analysis()])


def test_counts_that_differ_between_recordings_are_no_count() -> None:
    mixed = [make_analysis(calls=(Call("all_reduce", 64, count=count),)) for count in (2, 3)]
    count = compare_recordings(mixed, mixed).metric("collective.count")
    assert count is not None
    assert (count.status, count.why) == ("missing", "its recordings differ: 2 and 3")


def test_overlap_that_is_lost_is_the_cause_in_the_first_line() -> None:
    calls = tuple(Call("all_gather", 400_000, count=1, role=None) for _ in range(5))
    hidden = make_analysis(name="hidden", calls=calls, overlapped=1.0, layout=None, compute_ns=790_000)
    lost = make_analysis(name="lost", calls=calls, layout=None)
    comparison = compare(hidden, lost)
    assert len(comparison.headline) < 100
    assert "exposed all_gather 0 ns → 210 us" in comparison.headline  # 5 x (2 us + 400 kB / 10 GB/s)
    assert "overlapped 210 us → 0 ns" in comparison.verdict


RECIPES = st.builds(
    lambda layout, pace, late, bytes_, overlapped: {
        "layout": layout,
        "pace": (pace,),
        "late_ns": {1: late},
        "peak_bytes": bytes_,
        "overlapped": overlapped,
    },
    st.sampled_from((Layout(tp=2), Layout(tp=2, sp=True), Layout(tp=2, recompute="full"))),
    st.floats(0.5, 2.0),
    st.integers(0, 50_000),
    st.integers(1_000_000, 60_000_000),
    st.floats(0, 1),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(RECIPES, min_size=1, max_size=1), RECIPES, st.integers(1, 4))
def test_swapping_the_sides_mirrors_every_status(
    first: list[dict[str, object]], second: dict[str, object], count: int
) -> None:
    scatter = [1.0, 1.01, 0.99, 1.005][:count]
    sides = [
        [make_analysis(**{**recipe, "pace": (recipe["pace"][0] * by,)}) for by in scatter]  # type: ignore[index]
        for recipe in (first[0], second)
    ]
    assert_mirrored(compare_recordings(*sides), compare_recordings(*reversed(sides)))


def test_every_pair_of_saved_runs_is_mirrored() -> None:
    saved = [analyze(open_run(path), jobs=1) for path in SAVED]
    for one, other in combinations(saved, 2):
        assert_mirrored(compare(one, other), compare(other, one))


def test_the_same_program_twice_has_no_winner_and_eight_per_cent_is_found() -> None:
    for noise in (Noise(), Noise(0.10, 0.20, 10), Noise(0.30, 0.30, 5)):
        assert either_way_rates((3, 3), 0.0, noise=noise, checks=500) <= 0.004
    assert either_way_rates((3, 3), 0.08, noise=Noise(), checks=300) >= 0.90
    assert either_way_rates((1, 1), 0.50, noise=Noise(), checks=50) == 0
