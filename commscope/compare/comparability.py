"""Do two runs answer the same question? Analysis x 2 -> differences, and facts nobody recorded.

A difference in what was computed, on which ranks, or by what, breaks the comparison of times. Counts and
bytes survive another machine or version, but not another model, size of world, dtype, number of tokens,
set of ranks or of phases. Where no model was recorded the dtype is that of the payload, which its bytes tell
exactly. Layouts are what is compared: they differ and break nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commscope.analysis.result import Analysis
from commscope.analysis.summary import phases_present, step_windows
from commscope.compare.result import Difference
from commscope.schema import Phase
from commscope.trace import Layout
from commscope.units import format_ranks

MODEL_FIELDS = ("family", "layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "seq")
ESSENTIAL = ("world_size", "backend", "device", "versions.torch", "model", "dtype", "tokens")
STEP_PHASES = (Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER)  # recompute is a choice of the layout
_KEYS = {"model": ("model.family",), "dtype": ("dtype", "payload.dtype")}  # any of them tells
PAYLOAD_DTYPE = "payload.dtype"
_PLAIN = {f"layout.{name}": value for name, value in dataclasses.asdict(Layout()).items()}
MACHINE = ("backend", "device", "versions.torch", "host.cpu", "host.cpus")


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides whether a run can be held against another; a fact that is None was not recorded."""

    breaking: Mapping[str, Any]
    other: Mapping[str, Any]


def facts_of(analysis: Analysis) -> Facts:
    """The facts of one run."""
    return Facts(_breaking_facts(analysis), _other_facts(analysis))


def differences_between(baseline: Facts, candidate: Facts) -> tuple[Difference, ...]:
    """What differs, breaking facts first. A fact that one run does not tell breaks nothing, but is listed."""
    breaking = _differences(baseline.breaking, candidate.breaking, breaks=True)
    one_sided = [dataclasses.replace(row, breaks=False) for row in breaking if _one_sided(row)]
    known = [row for row in breaking if not _one_sided(row)]
    others = (with_defaults(baseline.other), with_defaults(candidate.other))
    return (*known, *one_sided, *_differences(*others, breaks=False))


def with_defaults(other: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layout that was recorded before a setting was known has it as a plain program has."""
    return {**_PLAIN, **other} if any(name.startswith("layout.") for name in other) else other


def unknown_facts(*runs: Facts) -> tuple[str, ...]:
    """Essential facts that at least one run does not tell: never assumed to be equal."""
    lacking = [
        name
        for name in ESSENTIAL
        if any(all(run.breaking.get(key) is None for key in _KEYS.get(name, (name,))) for run in runs)
    ]
    has_layouts = all(any(name.startswith("layout.") for name in run.other) for run in runs)
    return (*lacking, *(() if has_layouts else ("layout",)))


def counts_make_sense(differences: Sequence[Difference]) -> bool:
    """Whether counts and bytes can be held against each other in spite of what breaks times."""
    return all(row.field in (*MACHINE, PAYLOAD_DTYPE) for row in differences if row.breaks)


def describe_device(analysis: Analysis) -> str | None:
    """The kinds of device a run used, each once; gloo without a named device runs on the host."""
    named = ", ".join(sorted(set(analysis.run.devices)))
    return named or ("cpu" if analysis.run.backend == "gloo" else None)


def _one_sided(row: Difference) -> bool:
    return row.baseline is None or row.candidate is None


def _breaking_facts(analysis: Analysis) -> dict[str, Any]:
    run, model = analysis.run, analysis.run.model
    facts: dict[str, Any] = {
        "world_size": run.world_size,
        "backend": run.backend,
        "device": describe_device(analysis),
        "versions.torch": run.versions.get("torch"),
        "dtype": model.dtype if model else None,
        PAYLOAD_DTYPE: None if model else _dominant_dtype(analysis),
        "tokens": _tokens(analysis),
        "missing_ranks": format_ranks(analysis.missing_ranks) if analysis.missing_ranks else "none",
        "phases": _phases(analysis),
        "steps": "marked" if step_windows(analysis) else "not marked: the whole capture is measured",
    }
    facts |= {f"model.{name}": getattr(model, name) if model else None for name in MODEL_FIELDS}
    if run.backend == "gloo":
        facts |= {"host.cpu": run.host.get("cpu"), "host.cpus": run.host.get("cpus")}
    return facts


def _other_facts(analysis: Analysis) -> dict[str, Any]:
    run = analysis.run
    layout = dataclasses.asdict(run.layout) if run.layout else {}
    versions = {name: version for name, version in run.versions.items() if name != "torch"}
    return {
        **{f"layout.{name}": value for name, value in layout.items()},
        "model.batch": run.model.batch if run.model else None,
        "model.microbatches": run.model.microbatches if run.model else None,
        **{f"versions.{name}": version for name, version in versions.items()},
        "workload": run.workload,
        "host.name": run.host.get("name"),
        "incomplete": True if run.complete is False else None,
    }


def _differences(
    baseline: Mapping[str, Any], candidate: Mapping[str, Any], *, breaks: bool
) -> list[Difference]:
    names = dict.fromkeys([*baseline, *candidate])
    pairs = ((name, baseline.get(name), candidate.get(name)) for name in names)
    return [Difference(name, before, after, breaks) for name, before, after in pairs if before != after]


def _phases(analysis: Analysis) -> str | None:
    """What a step consists of; None where that cannot be told."""
    present = phases_present(analysis)
    return None if present is None else ", ".join(phase for phase in STEP_PHASES if phase in present)


def _tokens(analysis: Analysis) -> int | None:
    """Tokens of one step over all data-parallel ranks."""
    model, layout = analysis.run.model, analysis.run.layout
    if model is None or layout is None:
        return None
    return model.seq * model.batch * model.microbatches * layout.dp


def _dominant_dtype(analysis: Analysis) -> str | None:
    """Without a recorded model: the dtype that carries most of the payload."""
    table = analysis.instances
    known = table[table["dtype"].notna() & table["payload_bytes"].notna()]
    if known.empty:
        return None
    sums = known.groupby("dtype")["payload_bytes"].sum()
    return str(sums.sort_values(kind="stable").index[-1])
