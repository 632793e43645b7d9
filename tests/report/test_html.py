from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from commscope.figures.catalog import CHARTS
from commscope.report.html import analysis_html, comparison_html, html_table
from tests.analyses import make_analysis
from tests.browser import open_page
from tests.figures import samples


@pytest.fixture(scope="module")
def page() -> str:
    return comparison_html(samples.comparison())


def test_the_page_holds_the_verdict_verbatim_every_figure_and_its_twin(page: str) -> None:
    comparison = samples.comparison()
    for words in (comparison.headline, *comparison.findings):
        assert words in unescape(page)
    for chart in CHARTS:
        assert f'<figure id="{chart.key}">' in page
    assert page.count("<details>") >= len(CHARTS)


def test_the_page_names_no_other_host_to_load_from(page: str) -> None:
    head_and_body = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?https?:", head_and_body)
    assert "default-src 'none'" in head_and_body


def test_names_cannot_break_out_of_the_page() -> None:
    nasty = make_analysis(name="</script><img src=x onerror=alert(1)>")
    page = re.sub(r"<script>.*?</script>", "", analysis_html(nasty), flags=re.DOTALL)
    assert "<img" not in page


def test_a_long_table_is_cut_and_says_so() -> None:
    rows = [{"rank": rank, "wait_ns": 1_500} for rank in range(205)]
    assert "… 5 more rows" in html_table(rows)
    assert "1.50 us" in html_table(rows)


def test_what_was_not_captured_is_said() -> None:
    assert "not captured" in analysis_html(samples.without_matches(make_analysis(peak_bytes=None)))


@pytest.mark.browser
def test_a_browser_opens_it_without_an_error_or_a_request(tmp_path: Path, page: str) -> None:
    path = tmp_path / "comparison.html"
    path.write_text(page)
    with open_page(path.as_uri()) as opened:
        opened.page.wait_for_function(f"document.querySelectorAll('.plot .main-svg').length >= {len(CHARTS)}")
        before = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        opened.page.click("#scheme")
        assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        opened.page.click("#wire-bytes summary")
        assert opened.page.locator("#wire-bytes table").is_visible()
    assert opened.problems == []
    assert opened.requests_elsewhere == []
