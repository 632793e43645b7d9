"""`commscope plan --from RUN`: what other layouts would take on the machine that recorded a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commscope.cli.common import tell, warn_of_damage
from commscope.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from commscope.forecast import Forecast, Machine
    from commscope.theory.policy import Policy
    from commscope.trace import Layout, ModelShape


def forecasts(
    path: str,
    degrees: Sequence[int] | None,
    typed: Callable[[], tuple[Layout, ModelShape]],
    policy: Policy,
) -> tuple[Machine, list[Forecast]]:
    """The machine of a run and its candidates, the quickest first.

    Layout and model are the run's; where it was a script, those that were `typed`.
    """
    from commscope.engine import analyze, over_ranks
    from commscope.forecast import candidates, forecast, measured_machine, rank_work
    from commscope.readers import open_run

    run = open_run(Path(path))
    layout, model = run.info.layout, run.info.model
    if layout is None or model is None:
        layout, model = typed()
        tell(f"note: {run.info.name} does not say its layout; taken from the options: --tp {layout.tp} ...")
    if layout.pp * layout.cp * layout.ep > 1:
        raise UsageProblem("no forecast from a run with pp, cp or ep", where=path, hint="record TP, SP or DP")
    analysis = analyze(run, jobs=1)
    warn_of_damage(analysis.run.path, analysis.gaps, analysis.ranks)
    machine = measured_machine(analysis, list(over_ranks(run, rank_work, jobs=1)), layout, model)
    wanted = candidates(layout, model, *([tuple(degrees)] if degrees else []))
    rows = [forecast(machine, one, policy) for one in wanted]
    return machine, sorted(rows, key=lambda row: row.time_ns)


def rendered(machine: Machine, rows: Sequence[Forecast], form: str) -> str:
    """In one of the formats of `plan`."""
    from commscope.forecast.rates import rates_of
    from commscope.report.plans.forecast import forecast_document, forecast_sections

    rates = rates_of(machine)
    if form == "json":
        from commscope.report.plain_json import dumps

        return dumps(forecast_document(machine, rates, rows))
    from commscope.report import render

    return getattr(render, form)(forecast_sections(machine, rates, rows))  # type: ignore[no-any-return]
