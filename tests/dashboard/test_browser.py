"""The app in Debian's chromium, on runs recorded in this session and on real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commscope_dashboard.app import create_app
from commscope_dashboard.runs.loading import read_path

from commscope.compare import compare
from commscope.figures.metrics import TILES
from commscope.report.contract import comparison_document, dumps
from tests.browser import Opened, open_page, wait_until
from tests.conftest import Demo
from tests.dashboard.web.asking import running

pytestmark = pytest.mark.browser
DRAWN = "document.querySelectorAll('.js-plotly-plot .main-svg').length >= {}"


def served(app: Any) -> Iterator[str]:
    with running(app) as url:
        yield url


@pytest.fixture(scope="module")
def site(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    paths = [demo.baseline, demo.candidate, tmp_path_factory.mktemp("empty")]
    yield from served(create_app(paths, read=read_path))


def wait_for_figures(opened: Opened, count: int) -> None:
    wait_until(opened.page, DRAWN.format(count))
    wait_until(opened.page, "!document.querySelector('[data-dash-is-loading=true]')")


def no_complaint(opened: Opened) -> None:
    assert opened.problems == []
    assert opened.requests_elsewhere == []


def test_every_page_draws_without_an_error_or_a_request_to_elsewhere(site: str) -> None:
    with open_page(site) as opened:
        wait_for_figures(opened, 7)
        assert opened.page.locator(".card.error").count() == 1  # the empty folder
        assert "hint" in opened.page.locator(".card.error").inner_text()
        for name, count in (("Run", 6), ("Collectives", 3), ("Critical path", 2), ("Plan", 2), ("Doctor", 0)):
            opened.page.click(f"nav >> text={name}")
            wait_until(opened.page, f"document.title.includes('CommScope') && {DRAWN.format(count)}")
        opened.page.wait_for_selector("text=coverage by rank")
        no_complaint(opened)


def test_a_link_to_no_page_says_so(site: str) -> None:
    with open_page(site + "/no-such-page") as opened:
        opened.page.wait_for_selector("main .page >> text=there is no such page")
        assert opened.page.locator("#preview").count() == 0
        no_complaint(opened)


def test_the_numbers_on_screen_are_those_of_compare_as_json(site: str, demo: Demo) -> None:
    found = compare(read_path(demo.baseline)[0], read_path(demo.candidate)[0])
    document = json.loads(dumps(comparison_document(found)))
    metrics = {row["metric"]: row for row in document["metrics"]}
    with open_page(site) as opened:
        opened.page.wait_for_selector("#verdict")
        opened.page.wait_for_selector("[data-metric]")
        assert opened.page.inner_text("#verdict .verdict") == document["headline"]
        for name in TILES:
            shown = opened.page.locator(f"[data-metric='{name}']")
            for side in ("baseline", "candidate"):
                assert shown.get_attribute(f"data-{side}") == str(metrics[name][side])
        no_complaint(opened)


def test_a_link_restores_the_view_and_a_choice_changes_the_link(site: str) -> None:
    with open_page(f"{site}/?baseline=tp2-sp-1&candidate=tp2-1&measure=payload") as opened:
        wait_for_figures(opened, 7)
        opened.page.wait_for_selector("h2:has-text('Payload bytes per rank')")
        assert opened.page.input_value("input[aria-label=baseline]") == "tp2-sp-1"
        opened.page.click("text=wire bytes")
        opened.page.wait_for_selector("h2:has-text('Wire bytes per rank')")
        assert "measure=wire" in opened.page.url
        opened.page.reload()
        opened.page.wait_for_selector("h2:has-text('Wire bytes per rank')")
        assert opened.page.input_value("input[aria-label=baseline]") == "tp2-sp-1"
        no_complaint(opened)


def test_the_theme_switch_recolours_page_and_figures(site: str) -> None:
    colour = "document.querySelector('.js-plotly-plot')._fullLayout.font.color"
    with open_page(f"{site}/run", scheme="dark") as opened:
        wait_for_figures(opened, 5)
        dark = opened.page.evaluate(colour)
        opened.page.click("#scheme")
        wait_until(opened.page, f"{colour} !== {dark!r}")
        assert opened.page.evaluate("document.documentElement.dataset.mantineColorScheme") == "light"
        no_complaint(opened)


def test_zooming_into_the_timeline_refines_it(site: str) -> None:
    plot = "document.querySelector('.js-plotly-plot')"
    with open_page(f"{site}/run") as opened:
        wait_for_figures(opened, 5)
        before = opened.page.evaluate(f"{plot}._fullLayout.xaxis.range")
        middle = (before[0] + before[1]) / 2
        refined = (
            f"Math.max(...{plot}.data.flatMap((trace) => Array.from(trace.x, (x, i) => x + trace.base[i])))"
            f" <= {middle * 1.0201}"
        )
        # A graph listens a moment after it is drawn; a reader's second try is what a repeat stands for.
        wait_until(
            opened.page,
            f"() => {{ if ({refined}) return true;"
            f" Plotly.relayout({plot}, {{'xaxis.range': [{middle}, {middle * 1.02}]}}); return false; }}",
            polling=3_000,
        )
        no_complaint(opened)


def test_the_first_screen_is_told_by_the_page_itself_before_any_script_ran(site: str, demo: Demo) -> None:
    verdict = compare(read_path(demo.baseline)[0], read_path(demo.candidate)[0]).headline
    with open_page(site, scripts=False) as opened:
        assert opened.page.inner_text("#preview .verdict") == verdict
        assert opened.page.locator("#preview [data-metric]").count() == len(TILES)
        assert opened.page.locator("#preview .card.error").count() == 1


def test_a_click_on_a_bar_picks_its_rank_everywhere_and_a_second_one_gives_it_free(site: str) -> None:
    with open_page(site) as opened:
        wait_for_figures(opened, 7)
        assert opened.page.locator("#preview").count() == 0
        bar = opened.page.locator("figure[data-key=compare-breakdown] .barlayer .point path").first
        bar.hover(force=True)
        opened.page.wait_for_selector(".hoverlayer .hovertext")  # plotly clicks what it hovers
        opened.page.mouse.down()
        opened.page.mouse.up()
        opened.page.wait_for_selector("h2:has-text('Wire bytes') >> text=only rank 0")
        wait_until(opened.page, "location.search.includes('rank=0')")
        assert opened.page.input_value("input[aria-label='show only rank']") == "rank 0"
        opened.page.click("#show-all")
        wait_until(opened.page, "!location.search.includes('rank=')")
        wait_until(
            opened.page, "![...document.querySelectorAll('h2')].some((h) => h.innerText.includes('only'))"
        )
        no_complaint(opened)


def test_a_picked_collective_is_in_the_link_and_narrows_figures_and_table(site: str) -> None:
    with open_page(f"{site}/collectives?run=tp2-sp-1&collective=all_gather") as opened:
        wait_for_figures(opened, 3)
        opened.page.wait_for_selector(".ag-row")
        cells = opened.page.locator(".ag-row [col-id=collective]").all_inner_texts()
        assert set(cells) == {"all_gather"}
        opened.page.focus("input[aria-label='show only phase']")  # the way of the keyboard
        opened.page.keyboard.press("ArrowDown")
        opened.page.locator("[role=option]:visible").first.wait_for()  # on a busy machine the list is late
        opened.page.keyboard.press("ArrowDown")
        opened.page.keyboard.press("Enter")
        wait_until(opened.page, "/[?&]phase=[a-z]+/.test(location.search)")
        opened.page.wait_for_selector("h2:has-text('Lateness') >> text=/only [a-z]+, all_gather/")
        no_complaint(opened)


def test_what_if_changes_the_number(site: str) -> None:
    with open_page(f"{site}/path") as opened:
        opened.page.wait_for_selector("#whatif-answer")
        answer = opened.page.locator("#whatif-answer")
        before = int(answer.get_attribute("data-after-ns"))
        opened.page.click("text=free")
        opened.page.wait_for_selector("#whatif-answer:has-text('free communication')")
        assert int(answer.get_attribute("data-after-ns")) < before
        assert "communication=free" in opened.page.url
        no_complaint(opened)


def test_real_traces_of_other_programs_draw_on_every_page(real_traces: Path) -> None:
    paths = [real_traces / "megatron_tp8_a100", real_traces / "gloo" / "mcore0161_sp2"]
    for site in served(create_app(paths, read=read_path)):
        with open_page(site, width=1024, height=768, scheme="dark") as opened:
            wait_for_figures(opened, 7)
            for page, count in (("run", 5), ("collectives", 3), ("path", 2)):
                opened.page.goto(f"{site}/{page}?run=megatron_tp8_a100")
                wait_for_figures(opened, count)
            no_complaint(opened)
