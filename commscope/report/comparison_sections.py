"""What `commscope compare` tells: Comparison -> sections: verdict, comparability, numbers, tables."""

from __future__ import annotations

from collections.abc import Sequence

from commscope.analysis.result import Analysis
from commscope.analysis.summary import breakdown_of, instances_in, typical_window
from commscope.compare import Comparison, Difference, Metric
from commscope.compare.words.time_words import basis_words
from commscope.report.saved_sections import saved_pair
from commscope.report.sections import Section, Table, cut
from commscope.schema import Phase
from commscope.units import ABSENT, format_bytes, format_count, format_flops, format_percent, format_time

HEADLINE_METRICS = (
    "step.time",
    "communication.exposed",
    "communication.wire_bytes",
    "stall.blocking",
    "memory.peak",
)
MOST_ROWS = 24


def comparison_sections(comparison: Comparison) -> tuple[Section, ...]:
    """The comparison, the verdict before the numbers."""
    parts = (
        Section("", (comparison.headline, *(f"- {finding}" for finding in comparison.findings))),
        _comparability(comparison),
        _numbers(comparison),
        _volume(comparison),
        saved_pair(comparison.baseline.run, comparison.candidate.run),
        _ranks(comparison),
    )
    return tuple(part for part in parts if part is not None)


def format_metric(unit: str, value: float | None) -> str:
    """A metric's value in its own unit."""
    formats = {"ns": format_time, "bytes": format_bytes, "flop": format_flops}
    return formats.get(unit, format_count)(value)


def difference_words(difference: Difference) -> str:
    """`layout.sp: False → True`, with what was not recorded said so."""
    before, after = (
        "not recorded" if value is None else str(value)
        for value in (difference.baseline, difference.candidate)
    )
    return f"{difference.field}: {before} → {after}"


def _comparability(comparison: Comparison) -> Section:
    breaking = [row for row in comparison.differences if row.breaks]
    other = [row for row in comparison.differences if not row.breaks]
    lines = []
    if not comparison.comparable:
        lines.append("Not comparable in time: " + "; ".join(map(difference_words, breaking)) + ".")
    if other:
        lines.append("Differs: " + "; ".join(map(difference_words, other)) + ".")
    if not lines:
        lines.append(_nothing_differs(comparison))
    if load := comparison.load_words:
        lines.append(f"{load[0].upper()}{load[1:]}: no difference between times is shown.")
    return Section("Comparable" if comparison.comparable else "Not comparable", tuple(lines))


def _nothing_differs(comparison: Comparison) -> str:
    if any(row.kind == "exact" and row.status in {"better", "worse"} for row in comparison.metrics):
        return "No recorded fact differs, and yet counts or bytes do: what differs was not recorded."
    if comparison.unknown:
        return f"No recorded fact differs. Not recorded: {', '.join(comparison.unknown)}."
    return "Nothing that was recorded differs between the runs."


def _numbers(comparison: Comparison) -> Section:
    metrics = [metric for name in HEADLINE_METRICS if (metric := comparison.metric(name))]
    doubts = dict.fromkeys(metric.doubt for metric in metrics if metric.doubt)
    sentences = tuple(f"Not shown: {doubt}." for doubt in doubts)
    return Section("Numbers, per step and rank", sentences, _metric_table(comparison, metrics, len(metrics)))


def _volume(comparison: Comparison) -> Section | None:
    pairs = [metric.metric.split("/")[1:] for metric in comparison.metrics if metric.metric.count("/") == 2]
    order = {str(phase): index for index, phase in enumerate(Phase)}
    kinds = sorted({(order.get(phase, len(order)), phase, collective) for collective, phase in pairs})
    rows = [_volume_row(comparison, collective, phase) for _, phase, collective in kinds]
    rows = [row for row in rows if any(cell != "-" for cell in row[2:8])]
    if not rows:
        return None
    sentences = (
        "Payload is the whole tensor (nccl-tests' S); wire bytes are what one rank sends on a ring:",
        "all_reduce 2(n-1)/n S, all_gather and reduce_scatter (n-1)/n S. Each pair: baseline → candidate.",
    )
    columns = ("phase", "collective", "count", "", "payload", "", "wire", "", "closed form")
    total = ("all", "", *_pair(comparison, ""), _agrees(comparison, ""))
    table = cut(columns, [*rows, total], MOST_ROWS)
    told = (*sentences, *_sent(comparison), *_took(comparison))
    return Section("What moved, per step and rank", told, table)


def _took(comparison: Comparison) -> tuple[str, ...]:
    """How long the bytes were on the network: a ring's bytes are not the time of the algorithm that ran."""
    sides = [_transfer_ns(analysis) for analysis in (comparison.baseline, comparison.candidate)]
    if None in sides:
        return ()
    before, after = (format_time(side) for side in sides)
    return (f"Time of all transfers by the algorithms that ran, median step: {before} → {after}.",)


def _transfer_ns(analysis: Analysis) -> float | None:
    """Mean over the ranks of the sum of their transfers; None where one of them is not told."""
    rows = instances_in(analysis, typical_window(analysis))
    if rows.empty or rows["transfer_ns"].isna().any():
        return None
    return float(rows["transfer_ns"].sum()) / len(analysis.ranks)


def _volume_row(comparison: Comparison, collective: str, phase: str) -> tuple[str, ...]:
    suffix = f"/{collective}/{phase}"
    return (phase, collective, *_pair(comparison, suffix), _agrees(comparison, suffix))


def _pair(comparison: Comparison, suffix: str) -> tuple[str, ...]:
    """Count, payload and wire bytes, baseline and candidate each; `-` for none, and absent said so."""
    cells: list[str] = []
    for name in ("collective.count", "communication.payload_bytes", "communication.wire_bytes"):
        metric = comparison.metric(name + suffix)
        values = (None, None) if metric is None else (metric.baseline, metric.candidate)
        unit = "count" if metric is None else metric.unit
        cells += ["-" if value == 0 else format_metric(unit, value) for value in values]
    return tuple(cells)


def _agrees(comparison: Comparison, suffix: str) -> str:
    """Whether both runs' wire bytes and counts equal the closed form of their layouts."""
    answers = set()
    for measured, closed in (
        ("collective.count", "theory.count"),
        ("communication.wire_bytes", "theory.wire_bytes"),
    ):
        here, form = comparison.metric(measured + suffix), comparison.metric(closed + suffix)
        if here is None or form is None:
            return "none"
        pairs = ((here.baseline, form.baseline), (here.candidate, form.candidate))
        answers |= {None if expected is None else found == expected for found, expected in pairs}
    return "differs" if False in answers else "none" if None in answers else "equal"


def _sent(comparison: Comparison) -> tuple[str, ...]:
    """What the sockets really carried, which on gloo is not the ring's figure."""
    sent = comparison.metric("communication.sent_bytes")
    if sent is None or (sent.baseline is None and sent.candidate is None):
        return ()
    pair = f"{format_bytes(sent.baseline)} → {format_bytes(sent.candidate)}"
    return (f"Really sent by gloo, per step and rank: {pair}; it runs each reduce_scatter as an all_reduce.",)


def _metric_table(comparison: Comparison, metrics: list[Metric], most: int) -> Table:
    columns = ("metric", *comparison.names, "change", "status", "from")
    return cut(columns, [_metric_row(metric) for metric in metrics], most)


def _metric_row(metric: Metric) -> tuple[str, ...]:
    change = "-" if metric.change is None else format_percent(metric.change, signed=True)
    status = "not shown" if metric.doubt else metric.status
    status = status if not metric.why else f"{status} ({metric.why})"
    return (
        metric.metric,
        format_metric(metric.unit, metric.baseline),
        format_metric(metric.unit, metric.candidate),
        change,
        status,
        basis_words(metric),
    )


def _ranks(comparison: Comparison) -> Section:
    rows = []
    for analysis in (comparison.baseline, comparison.candidate):
        window = typical_window(analysis)
        rows += [
            (
                analysis.run.name,
                str(row.rank),
                format_time(row.span_ns),
                format_time(row.compute_ns),
                format_time(row.overlapped_ns),
                format_time(row.exposed_transfer_ns),
                format_time(row.exposed_wait_ns),
                format_time(row.idle_ns + (row.host_bound_ns or 0)),
            )
            for row in breakdown_of(analysis, window)
        ]
    columns = ("run", "rank", "span", "compute", "(overlapped)", "exposed transfer", "exposed wait", "idle")
    sentences = (f"'{ABSENT}' means the trace does not say; it is not zero.",) if _any_absent(rows) else ()
    return Section(
        "Where each rank's time went, median profiled step", sentences, cut(columns, rows, MOST_ROWS)
    )


def _any_absent(rows: Sequence[tuple[str, ...]]) -> bool:
    return any(ABSENT in row for row in rows)
