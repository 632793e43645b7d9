from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commscope_dashboard import charts, parts
from commscope_dashboard.app import create_app
from commscope_dashboard.callbacks import csv_of, in_scheme_only, refined
from commscope_dashboard.fill import filled
from commscope_dashboard.pages import PAGES
from commscope_dashboard.runs.library import Library, LoadedRun, load
from commscope_dashboard.runs.links import link_of
from commscope_dashboard.serve import exposure_warning
from commscope_dashboard.view import View, view_of

from commscope.compare import compare
from commscope.errors import IncompleteTrace, UnreadableTrace
from commscope.figures.metrics import TILES
from commscope.figures.volume.busbw import Reference
from tests.analyses import make_analysis
from tests.figures import samples

FIGURES = (
    "compare-breakdown", "compare-volume", "compare-critical-path", "compare-stalls", "compare-waits",
    "compare-memory", "breakdown", "phases", "volume", "memory", "timeline", "lateness", "wait-transfer",
    "busbw", "critical-path", "whatif", "plan-throughput", "plan-memory", "saved", "compare-saved",
)  # fmt: skip


@pytest.fixture(scope="module")
def library() -> Library:
    baseline, candidate = samples.pair()
    return Library(
        [
            LoadedRun("tp2", baseline.run.path, analysis=baseline),
            LoadedRun("tp2-sp", candidate.run.path, analysis=candidate),
            LoadedRun("bad", Path("bad"), error=UnreadableTrace("no trace here", where="bad", hint="look")),
        ]
    )


def text_of(component: Any) -> str:
    """All words of a component."""
    if component is None:
        return ""
    if isinstance(component, str | int | float):
        return str(component)
    if isinstance(component, list | tuple):
        return " ".join(text_of(one) for one in component)
    return text_of(getattr(component, "children", None))


def find(component: Any, name: str) -> list[Any]:
    """All components that carry an attribute of that name."""
    if isinstance(component, list | tuple):
        return [hit for one in component for hit in find(one, name)]
    if not hasattr(component, "to_plotly_json"):
        return []
    own = [component] if name in component.to_plotly_json()["props"] else []
    return own + find(getattr(component, "children", None), name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.NAME)
def test_every_page_has_a_layout_for_every_library(page: Any, library: Library) -> None:
    for shelf in (library, Library([]), Library(library.failed)):
        assert page.layout(shelf, view_of(shelf, {}))


@pytest.mark.parametrize("key", parts.PARTS)
def test_every_part_can_be_shown_for_every_library(key: str, library: Library) -> None:
    for shelf in (library, Library([]), Library(library.failed)):
        parts.render(shelf, view_of(shelf, {}), key)


@pytest.mark.parametrize("key", FIGURES)
def test_every_figure_has_a_title_a_caption_and_stays_calm_without_a_run(key: str, library: Library) -> None:
    drawn = charts.draw(library, view_of(library, {}), key)
    assert drawn.title
    assert drawn.caption
    assert charts.draw(Library([]), View(), key).figure is not None


def test_the_verdict_on_screen_is_the_comparisons_word_for_word(library: Library) -> None:
    found = compare(*samples.pair())
    told = text_of(parts.verdict(library, view_of(library, {})))
    assert all(words in told for words in (found.headline, *found.findings))


def test_the_tiles_carry_the_comparisons_own_numbers(library: Library) -> None:
    comparison = compare(*samples.pair())
    tiles = find(parts.tiles(library, view_of(library, {})), "data-metric")
    shown = [tile.to_plotly_json()["props"] for tile in tiles]
    assert [tile["data-metric"] for tile in shown] == list(TILES)
    for tile in shown:
        metric = comparison.metric(tile["data-metric"])
        assert tile["data-candidate"] == str(metric.candidate)
        assert tile["data-baseline"] == str(metric.baseline)


def test_the_banner_says_what_differs_and_how_exact_the_clocks_are(library: Library) -> None:
    words = text_of(parts.banner(library, view_of(library, {})))
    assert "Comparable." in words
    assert "layout.sp: False → True" in words
    assert "Clock residual" in words


def test_the_banner_says_where_other_programs_were_busy() -> None:
    quiet, busy = ({"other_load_cores": cores, "other_load_of_cores": 2} for cores in (0.0, 1.4))
    runs = (make_analysis(name="a", host=quiet), make_analysis(name="b", host=busy))
    library = Library([LoadedRun(run.run.name, run.run.path, analysis=run) for run in runs])
    words = text_of(parts.banner(library, view_of(library, {})))
    assert (
        "Other programs kept busy 1.4 of 2 cores in b and 0 of 2 cores in a: no difference between times is shown."
        in words
    )


def test_the_banner_is_silent_of_other_programs_where_there_were_none(library: Library) -> None:
    assert "Other programs" not in text_of(parts.banner(library, view_of(library, {})))


def test_comparing_a_run_with_itself_says_what_to_do(library: Library) -> None:
    view = view_of(library, {"baseline": "tp2", "candidate": "tp2"})
    assert "give the dashboard two runs" in text_of(parts.banner(library, view))
    assert parts.verdict(library, view) is None


def test_a_run_that_cannot_be_read_is_a_card_with_a_hint_and_stops_nothing(tmp_path: Path) -> None:
    def read(path: Path) -> Any:
        if path.name == "bad":
            raise UnreadableTrace("no trace here", where=str(path), hint="record it again")
        return make_analysis(name=path.name), ()

    said: list[str] = []
    loaded = load([tmp_path / "a", tmp_path / "bad", tmp_path / "x" / "a"], read=read, say=said.append)
    assert [run.key for run in loaded] == ["a", "bad", "a~2"]
    assert said[0] == "analyzing a (1 of 3)"
    shelf = Library(loaded)
    assert shelf.keys == ("a", "a~2")
    assert "record it again" in text_of(parts.failures(shelf, View()))


def test_runs_that_refuse_comparison_become_a_card(library: Library) -> None:
    def refuse(*_: Any) -> Any:
        raise IncompleteTrace("nothing in common", hint="choose others")

    shelf = Library(library.runs, compare=refuse)
    assert "choose others" in text_of(parts.banner(shelf, view_of(shelf, {})))


def test_a_query_of_nonsense_falls_to_defaults(library: Library) -> None:
    query = {
        "baseline": "nope",
        "step": "step 2",
        "measure": "furlongs",
        "bandwidth_log2": "x",
        "latency": "1e99",
    }
    view = view_of(library, query)
    assert (view.baseline, view.candidate, view.run) == ("tp2", "tp2-sp", "tp2")
    assert (view.step, view.measure, view.bandwidth_log2, view.latency) == ("step 2", "wire", 0.0, 1.0)


def test_the_payload_toggle_changes_the_figure(library: Library) -> None:
    wire = charts.draw(library, view_of(library, {"measure": "wire"}), "compare-volume")
    payload = charts.draw(library, view_of(library, {"measure": "payload"}), "compare-volume")
    assert wire.title.startswith("Wire bytes")
    assert payload.title.startswith("Payload bytes")


def test_the_csv_holds_every_row_with_units_in_the_names(library: Library) -> None:
    sent = csv_of(library, {"run": "tp2"}, "lateness")
    lines = sent["content"].splitlines()
    assert "lateness_ns" in lines[0]
    assert len(lines) == 1 + 2 * 13  # ranks x instances of a step of TP
    assert sent["filename"] == "commscope-lateness.csv"


def test_zooming_asks_for_detail_and_other_relayouts_do_not(library: Library) -> None:
    assert refined(library, {}, "timeline", {"autosize": True}) is None
    assert refined(library, {}, "timeline", None) is None
    assert charts.zoom_of({"xaxis.autorange": True}) == "whole"
    near = refined(library, {}, "critical-path", {"xaxis.range[0]": 0.2, "xaxis.range[1]": 0.4})
    assert tuple(near["layout"]["xaxis"]["range"]) == pytest.approx((0.2, 0.4))


def test_a_scheme_patch_touches_only_the_template() -> None:
    operations = in_scheme_only("dark").to_plotly_json()["operations"]
    assert [operation["location"] for operation in operations] == [["layout", "template"]]


def test_listening_beyond_this_machine_is_warned_about() -> None:
    assert exposure_warning("127.0.0.1") is None
    assert "no password" in str(exposure_warning("0.0.0.0"))


def test_the_index_loads_nothing_from_elsewhere_and_serves_only_known_traces() -> None:
    client = create_app([], analyses=samples.pair()).server.test_client()
    page = client.get("/").get_data(as_text=True)
    loaded = re.findall(r"""<(?:script|link|img)[^>]*?(?:src|href)=["']([^"']*)""", page)
    assert loaded
    assert all(address.startswith("/") for address in loaded)
    assert client.get("/trace/tp2/0").status_code == 404


def test_a_link_named_in_the_url_is_a_line_beside_the_bandwidths(library: Library) -> None:
    drawn = charts.draw(library, view_of(library, {"link_gbps": "450"}), "busbw")
    assert ("link 450 GB/s", [450, 450]) in [
        (trace["name"], list(trace["y"])) for trace in drawn.figure["data"]
    ]
    assert view_of(library, {"link_gbps": ""}).link_gbps is None


def test_what_if_on_a_run_without_a_graph_says_why(library: Library) -> None:
    words = text_of(parts.render(library, view_of(library, {"bandwidth_log2": "1"}), "whatif-answer"))
    assert "cannot be replayed" in words


def test_the_layout_brings_what_the_page_shows(library: Library) -> None:
    view = view_of(library, {})
    page = filled(PAGES[0].layout(library, view), library, view, "dark")
    assert compare(*samples.pair()).headline in text_of(page)
    graphs = [one for one in find(page, "figure") if isinstance(one.id, dict)]
    assert len(graphs) == 7
    assert all(graph.figure["layout"]["template"] == charts.looks("dark") for graph in graphs)


def test_what_is_picked_out_narrows_the_numbers(library: Library) -> None:
    """TP of two layers: 13 all_reduces a step, 5 of them in backward."""
    rows = {
        phase: charts.draw(library, view_of(library, {"run": "tp2", "phase": phase}), "volume").rows
        for phase in ("forward", "backward")
    }
    assert [(row["phase"], row["count"]) for row in rows["backward"]] == [("backward", 5)]
    assert sum(row["count"] for row in rows["forward"]) == 8
    one = charts.draw(library, view_of(library, {"run": "tp2", "rank": "1"}), "breakdown")
    assert one.title.endswith("only rank 1")
    assert {row["rank"] for row in one.rows} == {1}


def test_repeated_gathers_stay_what_they_are_when_only_backward_is_picked(library: Library) -> None:
    view = view_of(library, {"run": "tp2-sp", "phase": "backward"})
    counts = {row["collective"]: row["count"] for row in charts.draw(library, view, "volume").rows}
    assert counts["all_gather, repeated"] == 5


def test_the_weakest_nvlink_that_run_json_tells_is_the_line_of_the_link(tmp_path: Path) -> None:
    """18 NVLinks of 25 GB/s one way are the 450 GB/s that an H100's data sheet calls 900 both ways."""
    told = {"links": [{"first": 0, "second": 1, "kind": "NV18", "nvlinks": 18}]}
    (tmp_path / "run.json").write_text(json.dumps(told))
    assert link_of(tmp_path, ("NVIDIA H100 80GB HBM3",)) == Reference("NVLink × 18, nominal", 450.0)
    (tmp_path / "run.json").write_text(json.dumps({"links": [{"kind": "PIX", "nvlinks": 0}]}))
    assert link_of(tmp_path, ()) is None
    assert link_of(tmp_path / "gone", ()) is None
