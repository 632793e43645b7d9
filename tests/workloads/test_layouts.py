"""Loss, gradients, counts and bytes of every layout, on four real gloo ranks of one launch."""

from __future__ import annotations

import msgspec
import pytest

pytest.importorskip("torch")

from commscope_workloads.layouts import Case, cases
from commscope_workloads.verify import RESULT, Outcome

from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import run_ranks

pytestmark = pytest.mark.record
CASES = {case.name: case for case in cases()}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    output = tmp_path_factory.mktemp("layouts") / "run"
    run_ranks(
        RecordRequest(output, nproc=4, backend="gloo", entry="commscope_workloads.verify:main", timeout_s=300)
    )
    rows = msgspec.json.decode((output / RESULT).read_bytes(), type=list[Outcome])
    return {row.name: row for row in rows}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_loss_and_all_gradients_equal_the_single_process(outcomes: dict[str, Outcome], case: Case) -> None:
    outcome = outcomes[case.name]
    assert outcome.loss_error <= case.tolerance
    assert outcome.gradient_error <= case.tolerance, outcome.worst


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_ledger_equals_the_closed_form_to_the_byte(outcomes: dict[str, Outcome], case: Case) -> None:
    outcome = outcomes[case.name]
    assert (outcome.missing, outcome.extra) == ((), ())
    assert sum(outcome.counted.values()) > 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_autograd_keeps_equals_the_closed_form_to_the_byte(
    outcomes: dict[str, Outcome], case: Case
) -> None:
    outcome = outcomes[case.name]
    assert len(outcome.saved_bytes) == case.model.layers
    assert outcome.saved_bytes == outcome.saved_closed


def test_distributed_saving_keeps_a_shard_of_the_input(outcomes: dict[str, Outcome]) -> None:
    whole = outcomes["gpt tp2 recompute full"].saved_bytes[0]
    assert outcomes["gpt tp2 recompute full, saved distributed"].saved_bytes[0] == {
        item: size // 2 for item, size in whole.items()
    }
