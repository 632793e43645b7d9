"""The law of mirrored answers on traces nobody here wrote."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from commscope.compare import compare
from commscope.engine import analyze
from commscope.readers import open_run
from tests.compare.test_shown import assert_mirrored

GPU = ("dlrm_8rank_v100", "torchrec_opt4_4rank", "hta/nccl_data.json.gz")


def test_every_pair_of_real_traces_is_mirrored(real_traces: Path) -> None:
    folders = sorted(path for path in (real_traces / "gloo").iterdir() if path.is_dir())
    found = [analyze(open_run(path), jobs=1) for path in (*folders, *(real_traces / name for name in GPU))]
    assert len(found) >= 10
    for one, other in combinations(found, 2):
        assert_mirrored(compare(one, other), compare(other, one))


def test_one_rank_of_eight_is_not_the_run(real_traces: Path) -> None:
    whole = analyze(open_run(real_traces / "megatron_tp8_a100"), jobs=1)
    files = sorted(path for path in (real_traces / "megatron_tp8_a100").iterdir() if "json" in path.name)
    comparison = compare(analyze(open_run(files[0]), jobs=1), whole)
    assert not comparison.comparable
    assert "cannot be compared in time" in comparison.verdict


def test_lost_overlap_of_fsdp_is_the_first_sentence(field_cases: Path) -> None:
    good, bad = (analyze(open_run(field_cases / name), jobs=1) for name in ("fsdp_good", "fsdp_bad"))
    told = "exposed all_gather 2.00 ms → 21.0 ms, overlapped 10.0 ms → 0 ns"
    assert told in compare(good, bad).headline
    assert len(compare(good, bad).headline) < 100
    assert_mirrored(compare(good, bad), compare(bad, good))
