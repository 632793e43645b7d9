"""A plan as JSON and as sections: Plan -> what a program or a person reads of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from commscope.layouts import layout_words
from commscope.report.sections import Section, cut
from commscope.units import format_bytes, format_count, format_percent, format_time

if TYPE_CHECKING:
    from commscope.theory.plan import Plan, TimedRow

PLAN_SCHEMA = "commscope.plan/1"


def document(planned: Plan) -> dict[str, Any]:
    """The plan by the contract: `commscope.plan/1`."""
    step, memory = planned.step, planned.memory
    return {
        "schema": PLAN_SCHEMA,
        "layout": dataclasses.asdict(planned.layout),
        "model": dataclasses.asdict(planned.model),
        "policy": dataclasses.asdict(planned.policy),
        "gpu": dataclasses.asdict(planned.gpu),
        "memory": {
            "total_bytes": memory.total_bytes,
            "by_part_bytes": memory.by_part_bytes,
            "capacity_bytes": planned.capacity_bytes,
            "fits": planned.fits,
            "largest_batch": planned.largest["batch"],
            "largest_seq": planned.largest["seq"],
        },
        "step": {
            "time_ns": round(step.time_ns),
            "low_ns": round(step.low_ns),
            "high_ns": round(step.high_ns),
            "limited_by": step.limited_by,
            "parts_ns": {part: round(time) for part, time in step.parts_ns.items()},
            "residual": step.residual,
            "model_utilisation": planned.model_utilisation,
            "hardware_utilisation": planned.hardware_utilisation,
        },
        "communication": {
            "time_ns": round(planned.communication_ns),
            "by_collective": [
                {
                    "collective": timed.row.collective,
                    "count": timed.row.count,
                    "payload_bytes": timed.row.payload_bytes,
                    "algorithm": timed.each.algorithm,
                    "time_ns": round(timed.time_ns),
                    "phase": timed.row.phase,
                    "role": timed.row.role,
                    "protocol": timed.each.protocol or None,
                    "wire_bytes": timed.row.total_wire_bytes,
                }
                for timed in planned.volume
            ],
        },
        "parameters": planned.parameters,
        "flops": dataclasses.asdict(planned.flops),
        "volume": [_volume_row(timed) for timed in planned.volume],
        "payload_bytes": planned.payload_bytes,
        "wire_bytes": planned.wire_bytes,
        "layer": {
            "forward_ns": round(planned.layer.forward.total_ns),
            "backward_ns": round(planned.layer.backward.total_ns),
            "recompute_ns": round(planned.layer.recompute.total_ns),
        },
    }


def sections(planned: Plan) -> list[Section]:
    """Whether it fits, how long it takes and why, what moves."""
    title = f"{planned.model.family}: {layout_words(planned.layout)} on {planned.gpu.name}"
    return [
        Section(title, (_memory_sentence(planned), *_step_sentences(planned))),
        Section("Where the step goes", (), _step_table(planned)),
        Section("One layer and microbatch", (), _layer_table(planned)),
        Section(
            "What moves, per rank and step",
            ("Wire bytes are a ring's; time is each algorithm's, alone on the network, hidden or not.",),
            _volume_table(planned),
        ),
        Section("Memory of one rank at the peak", (), _memory_table(planned)),
    ]


def _memory_sentence(planned: Plan) -> str:
    told = (
        f"{format_bytes(planned.memory.total_bytes)} at the peak of {format_bytes(planned.capacity_bytes)} "
        f"that torch may use"
    )
    largest = planned.largest
    if largest["batch"] is None:
        return f"Does not fit: {told}, and no smaller batch does."
    seq = "no multiple of 128 a rank" if largest["seq"] is None else format_count(largest["seq"])
    verdict, batch = "Fits" if planned.fits else "Does not fit", format_count(largest["batch"])
    return f"{verdict}: {told}. Largest batch that fits: {batch}; largest sequence: {seq}."


def _step_sentences(planned: Plan) -> tuple[str, str]:
    step = planned.step
    mfu, hfu = format_percent(planned.model_utilisation), format_percent(planned.hardware_utilisation)
    taken = (
        f"A step takes {format_time(step.time_ns)}, between {format_time(step.low_ns)} and "
        f"{format_time(step.high_ns)}; limited by: {step.limited_by}. "
        f"MFU {mfu}, HFU {hfu}."
    )
    return taken, f"The interval is +-{format_percent(step.residual)}. Constants: {planned.gpu.source}."


def _step_table(planned: Plan) -> Any:
    step = planned.step
    rows = [
        (part, format_time(time), format_percent(time / step.time_ns))
        for part, time in step.parts_ns.items()
        if time
    ]
    return cut(("part", "time", "share"), rows, len(rows))


def _layer_table(planned: Plan) -> Any:
    """As Korthikanti et al. 2022 tell it in table 4: recompute is part of backward there."""
    layer = planned.layer
    passes = (("forward", layer.forward), ("backward", layer.backward), ("recompute", layer.recompute))
    rows = [
        (
            name,
            format_time(times.total_ns),
            format_time(times.compute_ns),
            format_time(times.memory_ns),
            format_time(times.exposed_ns),
        )
        for name, times in (*passes, ("all", layer.total))
        if times.total_ns
    ]
    return cut(("pass", "time", "products", "memory-bound", "exposed communication"), rows, len(rows))


def _volume_table(planned: Plan) -> Any:
    rows = [
        (
            timed.row.phase,
            timed.row.collective,
            timed.row.role,
            str(timed.row.group_size),
            format_count(timed.row.count),
            format_bytes(timed.row.total_payload_bytes),
            format_bytes(timed.row.total_wire_bytes),
            timed.each.algorithm,
            format_time(timed.time_ns),
        )
        for timed in planned.volume
    ]
    rows.append(
        (
            *("all", "", "", "", ""),
            format_bytes(planned.payload_bytes),
            format_bytes(planned.wire_bytes),
            "",
            format_time(planned.communication_ns),
        )
    )
    columns = (
        "phase",
        "collective",
        "role",
        "ranks",
        "count",
        "payload",
        "wire on a ring",
        "algorithm",
        "time",
    )
    return cut(columns, rows, 40)


def _memory_table(planned: Plan) -> Any:
    rows = [(part, format_bytes(size)) for part, size in planned.memory.by_part_bytes.items() if size]
    rows.append(("total", format_bytes(planned.memory.total_bytes)))
    return cut(("part", "size"), rows, len(rows))


def _volume_row(timed: TimedRow) -> dict[str, Any]:
    row = timed.row
    return {
        **dataclasses.asdict(row),
        "total_payload_bytes": row.total_payload_bytes,
        "total_wire_bytes": row.total_wire_bytes,
    }
