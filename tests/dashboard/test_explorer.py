"""The explorer follows its URL alone: no run is needed."""

from __future__ import annotations

from typing import Any

import pytest
from commscope_dashboard import charts, explorer, parts
from commscope_dashboard.app import create_app
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import view_of

NOTHING = Library([])


def text_of(component: Any) -> str:
    """All words of a component."""
    if isinstance(component, list | tuple):
        return " ".join(text_of(one) for one in component)
    children = getattr(component, "children", component)
    return text_of(children) if isinstance(children, list | tuple) else str(children or "")


@pytest.mark.parametrize("key", explorer.FIGURES)
def test_figures_have_a_line_for_each_size_and_a_row_for_each_degree(key: str) -> None:
    drawn = charts.draw(NOTHING, view_of(NOTHING, {}), key)
    names = [trace["name"] for trace in drawn.figure["data"]]
    assert names == list(explorer.SIZES)
    assert len(drawn.rows) == len(explorer.SIZES) * 6
    assert "from TP=8 to TP=16, where TP leaves the node of 8" in drawn.caption


def test_the_node_moves_with_its_slider() -> None:
    view = view_of(NOTHING, {"plan_node_log2": "4"})
    assert "from TP=16 to TP=32, where TP leaves the node of 16" in explorer.caption(
        view, explorer.THROUGHPUT
    )


def test_a_deep_link_is_the_whole_state_and_nonsense_falls_to_defaults() -> None:
    query = {"plan_gpu": "b200", "plan_size": "76B", "plan_tp": "16", "plan_sp": "no", "plan_batch_log2": "0"}
    view = view_of(NOTHING, query)
    assert text_of(explorer.answer(view)).startswith("76B at TP=16 on 2 nodes of b200")
    odd = {"plan_gpu": "b2000", "plan_tp": "7", "plan_batch_log2": "900", "plan_seq_log2": "x"}
    assert view_of(NOTHING, odd) == view_of(NOTHING, {})


def test_the_shapes_stand_tp_beside_sp() -> None:
    words = text_of(parts.render(NOTHING, view_of(NOTHING, {"plan_tp": "8"}), "plan-shapes"))
    assert "[2048, 4, 6144]" in words
    assert "[256, 4, 6144]" in words
    assert "reduce_scatter" in words


def test_the_page_answers_without_any_run() -> None:
    client = create_app([]).server.test_client()
    assert client.get("/plan?plan_size=7.5B").status_code == 200
