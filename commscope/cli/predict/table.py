"""`commscope plan --table rows.csv`: a plan for every row, columns named as the options are."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commscope.errors import CommScopeError, UsageProblem
from commscope.units import NS_PER_MS

if TYPE_CHECKING:
    from commscope.report.plans.table import PlannedRow
    from commscope.theory.gpus import Gpu
    from commscope.theory.plan import Plan
    from commscope.theory.policy import Policy
    from commscope.trace import Layout, ModelShape

COUNTS = (
    *(
        "tp",
        "pp",
        "vpp",
        "dp",
        "cp",
        "ep",
        "layers",
        "hidden",
        "ffn",
        "heads",
        "kv_heads",
        "vocab",
        "seq",
        "batch",
    ),
    "microbatches",
)
WORDS = ("recompute", "dp_kind")
TRUE = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
GIB = 2**30

Shaped = Callable[[dict[str, Any]], tuple["Layout", "ModelShape"]]


def read_rows(path: str) -> list[dict[str, str]]:
    """Rows of a CSV with a header; lines that begin with # are left out. Raises UsageProblem."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"cannot read the table: {error}", where=path) from error
    rows = list(csv.DictReader(line for line in lines if line.strip() and not line.startswith("#")))
    known = {"sp", *COUNTS, *WORDS}
    if not rows or not known & set(rows[0]):
        hint = "a header and rows, columns named as options: case,tp,dp,seq,microbatches,step_ms"
        raise UsageProblem("the table has no rows a plan can be made of", where=path, hint=hint)
    return rows


def plan_rows(
    rows: Sequence[dict[str, str]], options: dict[str, Any], shaped: Shaped, machine: tuple[Policy, Gpu]
) -> tuple[list[PlannedRow], Gpu]:
    """A plan for every row, after constants were taken from the rows `--calibrate` names."""
    policy, gpu = machine
    names = [name for name in (options["calibrate"] or "").split(",") if name]
    if names:
        gpu = _calibrated(_named(rows, names), options, shaped, machine)
    return [_planned(place, row, options, shaped, (policy, gpu)) for place, row in enumerate(rows, 1)], gpu


def _named(rows: Sequence[dict[str, str]], names: Sequence[str]) -> list[dict[str, str]]:
    found = {_case(place, row): row for place, row in enumerate(rows, 1)}
    missing = [name for name in names if name not in found]
    if missing:
        hint = "--calibrate takes values of the column case, or numbers of rows, with commas"
        raise UsageProblem(f"no row {missing[0]} in the table", hint=hint)
    without = [name for name in names if _number(found[name], "step_ms") is None]
    if without:
        raise UsageProblem(f"row {without[0]} was not measured", hint="calibrate on rows with a step_ms")
    return [found[name] for name in names]


def _calibrated(
    rows: Sequence[dict[str, str]], options: dict[str, Any], shaped: Shaped, machine: tuple[Policy, Gpu]
) -> Gpu:
    from commscope.theory.calibrate import Measured, calibrated

    measured = []
    for row in rows:
        layout, model = shaped(_with_row(options, row))
        time_ms = _number(row, "step_ms") or 0.0
        measured.append(Measured(layout, model, time_ms * NS_PER_MS))
    return calibrated(machine[1], machine[0], measured)


def _planned(
    place: int, row: dict[str, str], options: dict[str, Any], shaped: Shaped, machine: tuple[Policy, Gpu]
) -> PlannedRow:
    from commscope.report.plans.table import PlannedRow
    from commscope.theory.plan import plan

    planned: Plan | None = None
    refused = ""
    policy, gpu = machine
    try:
        layout, model = shaped(_with_row(options, row))
        planned = plan(layout, model, policy, gpu)
    except CommScopeError as problem:
        refused = problem.what
    time_ms, gib, gb = (_number(row, name) for name in ("step_ms", "peak_alloc_gib", "memory_gb"))
    return PlannedRow(
        case=_case(place, row),
        planned=planned,
        refused=refused,
        measured_ns=None if time_ms is None else time_ms * NS_PER_MS,
        measured_bytes=gib * GIB if gib is not None else gb * 1e9 if gb is not None else None,
    )


def _case(place: int, row: dict[str, str]) -> str:
    return row.get("case") or str(place)


def _with_row(options: dict[str, Any], row: dict[str, str]) -> dict[str, Any]:
    """Sizes of a row win over options."""
    given: dict[str, Any] = {}
    for name in COUNTS:
        number = _number(row, name)
        if number is None:
            continue
        if number != int(number):
            raise UsageProblem(f"{name} {row[name]} is no count", where=f"row {row.get('case', '')}".strip())
        given[name] = int(number)
    given |= {name: row[name] for name in WORDS if row.get(name)}
    if row.get("sp"):
        if row["sp"].lower() not in TRUE:
            raise UsageProblem(
                f"sp {row['sp']} is neither yes nor no", where=f"row {row.get('case', '')}".strip()
            )
        given["sp"] = TRUE[row["sp"].lower()]
    return {**options, **given}


def _number(row: dict[str, str], name: str) -> float | None:
    text = row.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        where = f"row {row.get('case', '')}".strip()
        raise UsageProblem(f"{name} {text!r} is no number above 0", where=where)
    return number


def constants(gpu: Gpu) -> dict[str, float | str]:
    """What the rows were planned with."""
    return {
        "gpu": gpu.name,
        "efficiency": gpu.efficiency,
        "host_ms_per_layer": gpu.host_ms_per_layer,
        "source": gpu.source,
    }


def shaped_by(
    layout_of: Callable[[dict[str, Any]], Layout], model_of: Callable[[dict[str, Any]], ModelShape]
) -> Shaped:
    """Layout and model of options, experts included so that they are refused."""

    def shaped(options: dict[str, Any]) -> tuple[Layout, ModelShape]:
        return replace(layout_of(options), ep=options.get("ep", 1)), model_of(options)

    return shaped
