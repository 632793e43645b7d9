"""Gauges of runs in Prometheus' text format (0.0.4), as node exporters take them from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commscope.report.gauges.gauges import Gauge

_PREFIX = "commscope_"


def exposition(runs: Mapping[str, Sequence[Gauge]]) -> str:
    """All runs' gauges, one family after the other; the run is a label."""
    families: dict[str, list[str]] = {}
    for run, gauges in runs.items():
        for gauge in gauges:
            head = [f"# HELP {_PREFIX}{gauge.name} {gauge.meaning}", f"# TYPE {_PREFIX}{gauge.name} gauge"]
            families.setdefault(gauge.name, head).append(_sample(run, gauge))
    return "".join(line + "\n" for lines in families.values() for line in lines)


def _sample(run: str, gauge: Gauge) -> str:
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in (("run", run), *gauge.labels))
    return f"{_PREFIX}{gauge.name}{{{labels}}} {gauge.value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
