"""`commscope plan --from RUN`: what other layouts would take on the machine that recorded a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from commscope.cli.common import tell, warn_of_damage
from commscope.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commscope.forecast import Forecast, Machine
    from commscope.theory.policy import Policy
    from commscope.trace import Layout, ModelShape


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the run."""

    degrees: tuple[int, ...] | None
    layout: Layout  # of its options
    model: ModelShape
    policy: Policy

    def instead_of(self, recorded: Layout) -> Layout | None:
        """The one layout that is asked for; None where the options name none."""
        given = self.layout
        if not (self.degrees or given.sp or given.recompute != "none"):
            return None
        return replace(
            recorded,
            tp=self.degrees[0] if self.degrees else recorded.tp,
            sp=given.sp,
            sp_keep_gathered=given.sp_keep_gathered,
            recompute=given.recompute,
            recompute_layers=given.recompute_layers,
            distribute_saved=given.distribute_saved,
        )


def forecasts(path: str, asked: Asked) -> tuple[Machine, list[Forecast], Forecast | None]:
    """The machine of a run, its candidates, the quickest first, and the one that was asked for.

    Layout and model are the run's; where it was a script, those of the command line.
    """
    from commscope.engine import analyze, over_ranks
    from commscope.forecast import candidates, forecast, measured_machine, rank_work
    from commscope.readers import open_run

    run = open_run(Path(path))
    layout, model = run.info.layout, run.info.model
    if layout is None or model is None:
        layout, model = asked.layout, asked.model
        tell(f"note: {run.info.name} does not say its layout; taken from the options: --tp {layout.tp} ...")
    if layout.pp * layout.cp * layout.ep > 1:
        raise UsageProblem("no forecast from a run with pp, cp or ep", where=path, hint="record TP, SP or DP")
    analysis = analyze(run, jobs=1)
    warn_of_damage(analysis.run.path, analysis.gaps, analysis.ranks)
    machine = measured_machine(analysis, list(over_ranks(run, rank_work, jobs=1)), layout, model)
    wanted = candidates(layout, model, *([asked.degrees] if asked.degrees else []))
    special = asked.instead_of(layout)
    named = dict.fromkeys([*wanted, *([special] if special else [])])
    rows = {one: forecast(machine, one, asked.policy) for one in named}
    ranked = sorted(rows.values(), key=lambda row: row.time_ns)
    return machine, ranked, rows[special] if special else None


def rendered(machine: Machine, rows: Sequence[Forecast], asked: Forecast | None, form: str) -> str:
    """In one of the formats of `plan`."""
    from commscope.forecast.rates import rates_of
    from commscope.report.plans.forecast import forecast_document, forecast_sections

    rates = rates_of(machine)
    if form == "json":
        from commscope.report.plain_json import dumps

        return dumps(forecast_document(machine, rates, rows, asked))
    from commscope.report import render

    return getattr(render, form)(forecast_sections(machine, rates, rows, asked))  # type: ignore[no-any-return]
