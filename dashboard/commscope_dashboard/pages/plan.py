"""Explorer: what TP degrees, model sizes and nodes would take, before anything is recorded."""

from __future__ import annotations

from dash import html

from commscope.theory.gpus import GPUS
from commscope_dashboard import explorer
from commscope_dashboard.components import Component, figure_card, part, segmented, select, slider
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import DEGREES, View

PATH, NAME, TITLE = "/plan", "Plan", "Throughput and memory by TP degree"
_BATCHES = tuple((float(at), str(2**at)) for at in range(7))
_SEQUENCES = tuple((float(at), f"{2 ** (at - 10)}k") for at in range(10, 18))
_NODES = tuple((float(at), str(2**at)) for at in range(7))


def layout(_library: Library, view: View) -> list[Component]:
    """The controls, the answer, both figures, and a layer's shapes."""
    return [
        html.Div(
            className="controls",
            children=[
                select("plan_gpu", "GPU", [(name, name) for name in GPUS], view.plan_gpu),
                select(
                    "plan_size", "model", [(size, f"GPT {size}") for size in explorer.SIZES], view.plan_size
                ),
                select("plan_tp", "TP degree", [(str(tp), f"TP={tp}") for tp in DEGREES], str(view.plan_tp)),
                segmented(
                    "plan_sp", "sequence parallelism", (("no", "TP"), ("yes", "TP + SP")), view.plan_sp
                ),
            ],
        ),
        html.Section(
            className="card",
            children=[
                html.Div(
                    className="whatif",
                    children=[
                        slider(
                            "plan_batch_log2", "sequences of a microbatch", _BATCHES, view.plan_batch_log2
                        ),
                        slider("plan_seq_log2", "tokens of a sequence", _SEQUENCES, view.plan_seq_log2),
                        slider("plan_node_log2", "GPUs of a node", _NODES, view.plan_node_log2),
                    ],
                ),
                part("plan-answer"),
            ],
        ),
        html.Div(
            className="grid",
            children=[
                figure_card(explorer.THROUGHPUT, height=340),
                figure_card(explorer.MEMORY, height=340),
            ],
        ),
        html.Section(
            className="card",
            children=[html.H2("Activations of one rank at every place of a layer"), part("plan-shapes")],
        ),
    ]
