"""docs/seeds.md is what the closed forms say today, and its verdicts are those that were looked into."""

from __future__ import annotations

import pytest

from commscope.cli.main import run
from tests.conftest import CHECKOUT
from tests.theory.seeds import claims, document

CLAIMS = claims()
COMMANDS = sorted({claim.command for claim in CLAIMS if claim.command.startswith(("plan", "time"))})
REFUTED = {
    "000": {
        "communication against compute lowers its efficiency": "R1 R2 R3 R4",
        "weak efficiency": "R3 R4 R7 R8",
        "GMAC of an MLP": "R16 R17 R18",
        "communication dominates the step": "R12 R13 R14",
    }
}
OTHERS_REFUTED = {
    "the paper's strong efficiency on 8 ranks",
    "constant communication volume, R12 to R14",
    "8 collectives a layer under SP",
    "SP needs the same bandwidth as TP",
    "the same, in time, over a ring",
    "the same, in time, on NVSwitch",
    "2 all_reduces a layer",
    "its all_reduce takes 1.0 ms",
    "the same as it is reached",
    "10 to 20 ms of compute a layer",
    "87.5 GB fits on an A100",
    "NVLink is 24 x InfiniBand",
    "2 all_reduces a block",
    "SP adds no communication",
    "the largest activation is [seq/N, hidden] under SP",
}


def test_the_page_is_what_is_computed() -> None:
    written = (CHECKOUT / "docs/seeds.md").read_text(encoding="utf-8")
    assert written == document(), "python -m tests.theory.seeds > docs/seeds.md"


def test_what_is_refuted_and_why() -> None:
    named = {f"{what}, {row}" for what, rows in REFUTED["000"].items() for row in rows.split()}
    assert {claim.claim for claim in CLAIMS if not claim.agrees} == named | OTHERS_REFUTED
    assert all(claim.why for claim in CLAIMS if not claim.agrees)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(command: str) -> None:
    assert run(command.split()) == 0


@pytest.mark.parametrize(
    ("row", "said"), [("R2", 6.79), ("R3", 14.5), ("R4", 25.4), ("R6", 17.0), ("R7", 36.2), ("R8", 63.4)]
)
def test_wire_bytes_of_the_weak_rows_as_worked_out_on_paper(row: str, said: float) -> None:
    """Layers alone: 4 all_reduces of P a layer; embedding, head and loss come on top."""
    from tests.theory.seeds import STEPS, wire_gb

    model, tp = STEPS[row].model, STEPS[row].layout.tp
    activation = model.seq * model.batch * model.hidden * 2
    edges = 2 * (tp - 1) / tp * (2 * activation + 3 * 4 * model.seq * model.batch) / 1e9
    assert wire_gb(row) - edges == pytest.approx(8 * (tp - 1) / tp * activation * model.layers / 1e9)
    assert wire_gb(row) - edges == pytest.approx(said, rel=0.01)
