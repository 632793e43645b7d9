"""`python -m commscope_workloads.table`: every layout recorded and checked, as a Markdown table on stdout."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec

from commscope.record.handover.request import RecordRequest
from commscope.record.launcher import run_ranks
from commscope.units import format_bytes
from commscope_workloads.verify import RESULT, Outcome

_SHORT = {"all_reduce": "AR", "all_gather": "AG", "reduce_scatter": "RS"}
_PHASES = ("forward", "backward", "recompute", "other", "optimizer")


def main() -> int:
    """Print the table; 2 when a layout differs from its closed form or from the single process."""
    with tempfile.TemporaryDirectory(prefix="commscope-layouts-") as folder:
        output = Path(folder) / "run"
        entry = "commscope_workloads.verify:main"
        run_ranks(RecordRequest(output, nproc=4, backend="gloo", entry=entry, timeout_s=600))
        outcomes = msgspec.json.decode((output / RESULT).read_bytes(), type=list[Outcome])
    sys.stdout.write("\n".join(lines(outcomes)) + "\n")
    return 0 if all(is_equal(outcome) for outcome in outcomes) else 2


def lines(outcomes: list[Outcome]) -> list[str]:
    """The table of these outcomes."""
    head = ["layout", *_PHASES, "wire bytes", "saved, a layer", "gradient error", "closed form"]
    rows = [
        [
            outcome.name,
            *(phase_text(outcome, phase) for phase in _PHASES),
            format_bytes(outcome.wire_bytes),
            format_bytes(sum(outcome.saved_bytes[0].values())),
            f"{outcome.gradient_error:.0e}",
            "equal" if is_closed_form(outcome) else "DIFFERS",
        ]
        for outcome in outcomes
    ]
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def phase_text(outcome: Outcome, phase: str) -> str:
    """Collectives of one phase, such as `6 AG 4 RS`."""
    found: dict[str, int] = {}
    for key, count in outcome.counted.items():
        of_phase, collective, *_ = key.split()
        if of_phase == phase:
            found[_SHORT[collective]] = found.get(_SHORT[collective], 0) + count
    return " ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "-"


def is_equal(outcome: Outcome) -> bool:
    """Whether loss, gradients, counts and bytes are what they must be."""
    errors = max(outcome.loss_error, outcome.gradient_error)
    return errors <= outcome.tolerance and is_closed_form(outcome)


def is_closed_form(outcome: Outcome) -> bool:
    """Whether counts, bytes moved and bytes kept are those of the closed forms."""
    return not outcome.missing and not outcome.extra and outcome.saved_bytes == outcome.saved_closed


if __name__ == "__main__":
    sys.exit(main())
