"""The explorer: View -> throughput and memory by TP degree and model size, shapes of a layer, and words.

Closed forms only: no run is needed. Everything follows from the URL.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import plotly.graph_objects as go
from dash import html

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.theme import BLUE, GREEN, PURPLE, RED, base
from commscope.report.plans.degrees import drop_words, words_of
from commscope.theory.degrees import Degree, degrees_of
from commscope.theory.gpus import GPUS, Gpu
from commscope.theory.policy import Policy
from commscope.theory.shapes import layer_shapes
from commscope.trace import Layout, ModelShape
from commscope.units import format_bytes, format_time
from commscope_dashboard.components import Component, table
from commscope_dashboard.view import DEGREES, View

THROUGHPUT, MEMORY = "plan-throughput", "plan-memory"
FIGURES = (THROUGHPUT, MEMORY)
# layers, hidden, heads: Narayanan et al. 2021, table 1; 22B: Korthikanti et al. 2022
SIZES = {"3.6B": (30, 3072, 32), "7.5B": (36, 4096, 32), "22B": (48, 6144, 64), "76B": (60, 10240, 80)}
_COLOURS = dict(zip(SIZES, (BLUE, GREEN, PURPLE, RED), strict=True))
_POLICY = Policy("flash", fused_mlp=True, tied=True)
_WORST = 1e-9


def gpu_of(view: View) -> Gpu:
    """The GPU and node that the controls describe; as many ports as GPUs."""
    node = round(2**view.plan_node_log2)
    return replace(GPUS[view.plan_gpu], gpus_per_node=node, nics_per_node=node)


def model_of(view: View, size: str) -> ModelShape:
    """A GPT of one of the sizes, with the batch and sequence of the controls."""
    layers, hidden, heads = SIZES[size]
    batch, seq = round(2**view.plan_batch_log2), round(2**view.plan_seq_log2)
    return ModelShape("gpt", layers, hidden, 4 * hidden, heads, heads, 51200, seq, batch, dtype="bfloat16")


def told(view: View, size: str) -> tuple[Degree, ...]:
    """All degrees of one size."""
    return _told(Layout(sp=view.plan_sp == "yes"), model_of(view, size), gpu_of(view))


@cache
def _told(layout: Layout, model: ModelShape, gpu: Gpu) -> tuple[Degree, ...]:
    return degrees_of(layout, model, _POLICY, gpu, DEGREES)


def draw(view: View, key: str) -> go.Figure:
    """Lines by degree, one a model size; dashed where the node ends."""
    is_memory = key == MEMORY
    title = "Memory of one GPU at the peak" if is_memory else "Tokens a second and GPU, of what TP=1 reaches"
    figure = base(title)
    for size, colour in _COLOURS.items():
        degrees = [one for one in told(view, size) if one.planned is not None]
        values = [_memory_gib(one) for one in degrees] if is_memory else _relative(degrees)
        figure.add_scatter(
            x=[f"TP={one.tp}" for one in degrees],
            y=values,
            name=size,
            mode="lines+markers",
            line={"color": colour, "width": 3 if size == view.plan_size else 1.5},
            marker={"symbol": ["circle" if _fits(one) else "x" for one in degrees], "size": 8},
            customdata=[_words(one) for one in degrees],
            hovertemplate="%{x}: %{customdata}<extra>" + size + "</extra>",
        )
    _mark_node(figure, gpu_of(view))
    if is_memory:
        figure.add_hline(
            y=gpu_of(view).memory_bytes / 2**30, line={"dash": "dot"}, annotation_text="what torch may use"
        )
        figure.update_yaxes(title_text="GiB", type="log")
    else:
        figure.update_yaxes(
            title_text="relative throughput; x: does not fit", rangemode="tozero", tickformat=".0%"
        )
    figure.update_xaxes(categoryorder="array", categoryarray=[f"TP={tp}" for tp in DEGREES])
    return figure


def caption(view: View, _key: str) -> str:
    """Where the chosen size falls most, and whether it fits."""
    degrees = told(view, view.plan_size)
    fitting = [str(one.tp) for one in degrees if _fits(one)]
    fits = f"It fits from TP={fitting[0]}." if fitting else "It fits at no degree."
    return f"{view.plan_size}: {' '.join(drop_words(degrees, gpu_of(view)))} {fits}"


def rows(view: View, _key: str) -> list[Row]:
    """Every size and degree."""
    return [
        {
            "model": size,
            "tp": one.tp,
            "nodes": one.nodes,
            "step_ns": one.planned.step.time_ns if one.planned else None,
            "tokens_per_s": None if one.throughput is None else round(one.throughput),
            "wire_bytes": one.planned.wire_bytes if one.planned else None,
            "collectives_ns": one.planned.communication_ns if one.planned else None,
            "memory_bytes": one.planned.memory.total_bytes if one.planned else None,
            "fits": "yes" if _fits(one) else one.refused or "no",
        }
        for size in SIZES
        for one in told(view, size)
    ]


def shapes(view: View) -> Component:
    """The chosen size's activations at every place of a layer, TP beside TP + SP."""
    model, degree = model_of(view, view.plan_size), view.plan_tp
    listed: list[Row] = [
        {
            "place": row.place,
            f"TP={degree}": words_of(row.tp),
            "by": row.by_tp,
            f"TP={degree} + SP": words_of(row.sp),
            "then by": row.by_sp,
        }
        for row in layer_shapes(model, degree)
    ]
    return table(listed)


def answer(view: View) -> Component:
    """The chosen size and degree in one sentence."""
    one = next(one for one in told(view, view.plan_size) if one.tp == view.plan_tp)
    if one.planned is None:
        return html.P(f"{view.plan_size} has no plan at TP={one.tp}: {one.refused}.", className="verdict")
    planned = one.planned
    nodes = f"{one.nodes} node{'s' * (one.nodes != 1)} of {view.plan_gpu}"
    words = (
        f"{view.plan_size} at TP={one.tp}{' + SP' if planned.layout.sp else ''} on {nodes}: {_words(one)}, "
        f"limited by {planned.step.limited_by}. Its collectives send {format_bytes(planned.wire_bytes)} on a "
        f"ring and take {format_time(planned.communication_ns)} by algorithm."
    )
    return html.P(words, className="verdict", id="plan-answer")


def _relative(degrees: list[Degree]) -> list[float]:
    first = next((one.throughput for one in degrees if one.throughput), 1.0)
    return [(one.throughput or 0.0) / max(first or 0.0, _WORST) for one in degrees]


def _memory_gib(one: Degree) -> float:
    return one.planned.memory.total_bytes / 2**30 if one.planned else 0.0


def _fits(one: Degree) -> bool:
    return one.planned is not None and one.planned.fits


def _words(one: Degree) -> str:
    if one.planned is None:
        return one.refused
    fits = "fits" if one.planned.fits else "does not fit"
    memory = format_bytes(one.planned.memory.total_bytes)
    return f"{format_time(one.planned.step.time_ns)} a step, {memory} ({fits})"


def _mark_node(figure: go.Figure, gpu: Gpu) -> None:
    inside = sum(tp <= gpu.gpus_per_node for tp in DEGREES)
    if 0 < inside < len(DEGREES):
        figure.add_vline(
            x=inside - 0.5, line={"dash": "dash"}, annotation_text=f"node of {gpu.gpus_per_node}"
        )
