"""Joins of real runs: what others published about them, and laws that must hold on each."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from commscope.analysis.join import join
from commscope.analysis.result import Analysis, RankAnalysis
from commscope.engine import analyze, analyze_part
from commscope.readers import open_run
from commscope.trace import RunInfo

GLOO = {
    "colls": 2,
    "dt_n2_sp": 2,
    "dt_n2_tp": 2,
    "mcore0161_sp2": 2,
    "mcore0161_sp2_full": 2,
    "mcore0161_tp2": 2,
    "oth_ddp": 2,
    "oth_fsdp2": 2,
    "torchtitan022_tp2": 2,
}


@cache
def analyzed(path: Path) -> Analysis:
    return analyze(open_run(path), jobs=1)


def holds_its_laws(analysis: Analysis) -> None:
    matched = analysis.instances[analysis.instances["instance"].notna()]
    told = matched[matched["transfer_ns"].notna()]
    assert (matched["least_wait_ns"].fillna(0) <= matched["end_ns"] - matched["start_ns"]).all()
    assert not (told["culprit"] == told["rank"]).any()
    assert (told["members"].isna() | (told["members"] <= told["members_present"])).all()
    assert (told["wait_ns"] + told["transfer_ns"] == told["end_ns"] - told["start_ns"]).all()
    assert (told["least_wait_ns"] == told["wait_ns"]).all()
    assert (told["most_wait_ns"] == told["wait_ns"]).all()
    groups = matched[~matched["is_p2p"]].groupby("instance")
    assert (groups["start_ns"].max() <= groups["end_ns"].min()).all()
    assert groups["collective"].nunique().eq(1).all()
    spans = {(row.rank, row.window): row.span_ns for row in analysis.breakdown}
    for window in analysis.windows:
        for rank in analysis.ranks:
            mine = [one for one in analysis.stalls if (one.window, one.victim) == (window.name, rank)]
            assert sum(one.wait_ns for one in mine) <= spans.get((rank, window.name), 0)
            assert all(one.culprit != rank for one in mine)
    for row in analysis.breakdown:
        parts = (row.exposed_wait_ns or 0, row.exposed_transfer_ns or 0, row.exposed_unknown_ns)
        assert sum(part or 0 for part in parts) == row.exposed_ns
        assert min(part or 0 for part in parts) >= 0


def test_megatron_on_eight_gpus_is_matched_and_mostly_waits(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "megatron_tp8_a100")
    assert (analysis.matching.instances, analysis.matching.matched, analysis.matching.method) == (
        84,
        84,
        "step_order",
    )
    by_rank = analysis.instances.groupby("rank")
    assert by_rank["instance"].count().tolist() == [84] * 8
    for transfer in by_rank["transfer_ns"].sum():
        assert transfer == pytest.approx(50.1e6, rel=0.02)
    assert by_rank["transfer_free_ns"].sum().tolist() == [50_099_000] * 8
    waited: dict[int, int] = {}
    why: dict[int, set[str | None]] = {}
    for one in analysis.stalls:
        if one.window == "capture":
            waited[one.culprit] = waited.get(one.culprit, 0) + one.wait_ns
            why.setdefault(one.culprit, set()).add(one.cause)
    assert sorted(waited, key=lambda rank: -waited[rank])[:2] == [0, 6]
    assert why[0] <= {"idle", "host_bound"}
    holds_its_laws(analysis)


def test_dlrm_on_eight_gpus_is_matched(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "dlrm_8rank_v100")
    assert (analysis.matching.instances, analysis.matching.matched) == (8, 8)
    holds_its_laws(analysis)


def test_torchrec_on_four_gpus_is_matched_with_its_smallest_durations(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "torchrec_opt4_4rank")
    assert (analysis.matching.instances, analysis.matching.matched) == (30, 30)
    assert analysis.instances.groupby("rank")["transfer_free_ns"].sum().tolist() == [103_828_000] * 4
    waits = analysis.instances.groupby("rank")["wait_ns"].sum()
    assert waits.idxmin() == 2  # the one rank that computes through and is waited for
    holds_its_laws(analysis)


@pytest.mark.parametrize("folder", sorted(GLOO))
def test_gloo_runs_without_metadata_are_fully_matched(real_traces: Path, folder: str) -> None:
    analysis = analyzed(real_traces / "gloo" / folder)
    assert analysis.matching.unmatched == analysis.matching.refused == 0
    assert analysis.matching.matched == analysis.matching.instances > 0
    assert analysis.clock is not None
    assert set(analysis.clock.offsets_ns.values()) == {0}  # two processes of one host
    holds_its_laws(analysis)


def test_the_late_rank_of_the_injected_skew_is_the_culprit(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "gloo" / "colls")
    worst = max((one for one in analysis.stalls if one.window == "capture"), key=lambda one: one.wait_ns)
    assert worst.wait_ns > 45_000_000


def test_two_by_two_of_picotron_never_pairs_across_groups(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "gloo" / "picotron_tp2_dp2")
    matched = analysis.instances[analysis.instances["instance"].notna()]
    gradients = matched["payload_bytes"].fillna(0) == 279168 * 4
    tensor = matched[~gradients]
    members = tensor.groupby("instance")["rank"].agg(lambda ranks: tuple(sorted(ranks)))
    assert members.value_counts().to_dict() == {(0, 1): 34, (2, 3): 34}
    data = matched[gradients].groupby("instance")["rank"]
    assert set(data.agg(lambda ranks: tuple(sorted(ranks)))) <= {(0, 2), (1, 3)}
    holds_its_laws(analysis)


def test_messages_of_ring_attention_wait_as_the_order_on_their_channels_says(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "gloo" / "picotron_cp2")
    assert (analysis.matching.instances, analysis.matching.matched) == (66, 66)
    receives = analysis.instances[analysis.instances["collective"] == "recv"]
    waits_ms = receives.groupby(["rank", "window"])["wait_ns"].sum() / 1e6
    assert waits_ms.round(1).to_dict() == {
        (0, "step 1"): 24.2, (0, "step 2"): 25.2, (1, "step 1"): 43.9, (1, "step 2"): 23.4
    }  # fmt: skip
    holds_its_laws(analysis)


def test_messages_of_a_pipeline_on_one_host_wait_by_its_one_clock(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "gloo" / "oth_pp")
    assert (analysis.matching.instances, analysis.matching.matched) == (16, 16)
    sides = {kind: part.set_index("instance") for kind, part in analysis.instances.groupby("collective")}
    sends, receives = sides["send"], sides["recv"].loc[sides["send"].index]
    own, other = receives["start_ns"], sends["start_ns"]
    truth = (other.clip(upper=receives["end_ns"]) - own).clip(lower=0)
    assert receives["wait_ns"].tolist() == truth.tolist()
    assert truth.max() > 1_000_000
    holds_its_laws(analysis)


def test_waits_of_gradients_that_two_groups_may_have_reduced_are_told_as_far_as_both_agree(
    real_traces: Path,
) -> None:
    analysis = analyzed(real_traces / "gloo" / "picotron_tp2_dp2")
    assert (analysis.matching.instances, analysis.matching.matched) == (70, 68)
    assert set(analysis.matching.by_members) == {"clocks", "counts"}
    left = analysis.instances[analysis.instances["instance"].isna()]
    assert len(left) == 8  # over dp or over all ranks
    assert left["wait_ns"].isna().all()
    assert (left["most_wait_ns"] - left["least_wait_ns"]).max() < 1_300_000
    capture = [row for row in analysis.breakdown if row.window == "capture"]
    assert all((row.exposed_unknown_ns or 0) < 1_300_000 for row in capture)


@pytest.mark.parametrize("folder", ["megatron_tp8_a100", "torchrec_opt4_4rank", "gloo/mcore0161_tp2"])
@pytest.mark.parametrize(("rank", "cut", "shift_ns"), [(1, 1, 300_000), (0, 3, -5_000_000), (1, 5, 10**12)])
def test_a_later_window_and_another_clock_on_one_rank_change_no_pair(
    real_traces: Path, folder: str, rank: int, cut: int, shift_ns: int
) -> None:
    info, ranks = alone(real_traces / folder)
    skewed = [shifted(one, cut, shift_ns) if one.rank == rank else one for one in ranks]
    clean, other = join(info, ranks), join(info, skewed)
    assert pairs(other) <= pairs(clean)
    assert len(pairs(clean)) - len(pairs(other)) == cut
    waits = [one.instances.set_index(["rank", "index"])["wait_ns"] for one in (clean, other)]
    assert (waits[0] - waits[1]).abs().max() < 10_000
    assert clean.clock is not None
    assert other.clock is not None
    moved = other.clock.offsets_ns[1] - clean.clock.offsets_ns[1]
    assert moved == pytest.approx(-shift_ns if rank == 1 else shift_ns, abs=10_000)


@cache
def alone(path: Path) -> tuple[RunInfo, tuple[RankAnalysis, ...]]:
    run = open_run(path)
    return run.info, tuple(replace(analyze_part(part, run.info), skeleton=None) for part in run.parts)


@pytest.mark.parametrize("folder", ["gloo/dt_n2_sp", "gloo/dt_n2_tp", "gloo/mcore0161_tp2"])
@pytest.mark.parametrize("shift_ns", [300_000, -300_000])
def test_a_shift_that_noisy_ends_hide_is_within_the_stated_uncertainty(
    real_traces: Path, folder: str, shift_ns: int
) -> None:
    info, ranks = alone(real_traces / folder)
    clean, other = join(info, ranks), join(info, [ranks[0], shifted(ranks[1], 0, shift_ns)])
    assert pairs(other) == pairs(clean)
    assert clean.clock is not None
    assert other.clock is not None
    doubt_ns = other.clock.uncertainty_ns[1]
    assert doubt_ns is not None
    moved = other.clock.offsets_ns[1] - clean.clock.offsets_ns[1] + shift_ns
    assert abs(moved) <= doubt_ns
    assert "clock_uncertain" in {gap.code for gap in other.gaps}
    waits = [one.instances.set_index(["rank", "index"])["wait_ns"] for one in (clean, other)]
    assert (waits[0] - waits[1]).abs().max() <= doubt_ns


def told_of(analysis: Analysis) -> pd.DataFrame:
    """What is said of waits, on no clock."""
    columns = ["wait_ns", "transfer_ns", "lateness_ns", "culprit", "least_wait_ns", "most_wait_ns"]
    return analysis.instances.set_index(["rank", "index"])[columns]


@pytest.mark.parametrize("folder", ["colls", "oth_ddp", "oth_fsdp2", "picotron_cp2", "picotron_tp2_dp2"])
@pytest.mark.parametrize("shift_ns", [5_000_000, -50_000_000, 4_700_000_001])
def test_where_clocks_are_fitted_a_shift_changes_only_the_offset(
    real_traces: Path, folder: str, shift_ns: int
) -> None:
    info, ranks = alone(real_traces / "gloo" / folder)
    apart = [replace(one, host=f"node{one.rank}") for one in ranks]
    clean, other = join(info, apart), join(info, [apart[0], shifted(apart[1], 0, shift_ns), *apart[2:]])
    assert pairs(other) == pairs(clean)
    assert told_of(other).equals(told_of(clean))
    assert clean.clock is not None
    assert other.clock is not None
    assert other.clock.offsets_ns[1] - clean.clock.offsets_ns[1] == -shift_ns


@pytest.mark.parametrize("folder", ["colls", "oth_ddp", "oth_fsdp2", "picotron_cp2"])
def test_a_shift_on_one_host_changes_waits_by_no_more_than_the_stated_uncertainty(
    real_traces: Path, folder: str
) -> None:
    """Raw stamps of one host are taken as of one clock; once somebody moved them, ends alone tell, alike for
    every shift that they can tell.
    """
    info, ranks = alone(real_traces / "gloo" / folder)
    shifts = (0, -50_000_000, 4_700_000_001)
    clean, *others = (join(info, [ranks[0], shifted(ranks[1], 0, shift), *ranks[2:]]) for shift in shifts)
    assert told_of(others[0]).equals(told_of(others[1]))
    for other in others:
        assert pairs(other) == pairs(clean)
        assert other.clock is not None
        doubt_ns = other.clock.uncertainty_ns[1]
        assert doubt_ns is not None
        apart = (told_of(clean)["wait_ns"] - told_of(other)["wait_ns"]).abs()
        sends = (clean.instances["collective"] == "send").to_numpy()  # buffered, or not: no matter of degree
        assert apart[~sends].max() <= doubt_ns


def shifted(one: RankAnalysis, cut: int, shift_ns: int) -> RankAnalysis:
    """A rank whose window begins `cut` collectives later and whose clock is off."""
    table = one.instances.iloc[cut:].reset_index(drop=True)
    for name in ("start_ns", "end_ns", "issue_ns"):
        table[name] += shift_ns
    return replace(one, instances=table)


def pairs(analysis: Analysis) -> set[frozenset[tuple[int, int]]]:
    matched = analysis.instances[analysis.instances["instance"].notna()]
    return {
        frozenset(zip(part["rank"], part["index"], strict=True)) for _, part in matched.groupby("instance")
    }


def test_one_rank_of_two_says_that_nothing_can_be_matched(real_traces: Path) -> None:
    analysis = analyzed(real_traces / "hta" / "nccl_data.json.gz")
    assert (analysis.matching.matched, analysis.matching.method) == (0, "none")
    assert analysis.missing_ranks == (1,)
    assert {"missing_ranks", "one_rank"} <= {gap.code for gap in analysis.gaps}
