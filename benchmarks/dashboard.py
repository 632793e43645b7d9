"""How fast the dashboard answers: callback times and first paint for runs made by hand, as markdown.

    python benchmarks/dashboard.py            8 ranks x 100,000 spans, and 64 ranks
    python benchmarks/dashboard.py --paint    also the first paint in Debian's chromium

A span is one interval of compute or one collective, the unit that figures are drawn from; what the readers
and the analysis do with the events before that is benchmarked beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from plotly.io.json import to_json_plotly

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from commscope_dashboard import charts, parts
from commscope_dashboard.app import app_of, warm
from commscope_dashboard.callbacks import refined
from commscope_dashboard.runs.library import Library, LoadedRun
from commscope_dashboard.view import view_of

from commscope.analysis.result import Analysis, Intervals
from tests.analyses import Call, make_analysis
from tests.browser import wait_until

REPEATS = 5
FIGURES = (
    "compare-breakdown", "compare-volume", "compare-critical-path", "compare-stalls",
    "compare-waits", "critical-path", "timeline", "lateness", "wait-transfer", "busbw", "phases", "memory",
)  # fmt: skip
PARTS = ("banner", "verdict", "tiles", "collectives-grid")
FLAGS = ["--no-sandbox", "--disable-gpu"]
SVG_TYPES = {"bar", "scatter", "box"}


def large(name: str, *, ranks: int, collectives: int, spans: int) -> Analysis:
    """A run of one step with that many collectives, and that many compute intervals on each rank."""
    late = {rank: 50 * rank for rank in range(ranks)}
    half = collectives // 2
    calls = (Call("all_reduce", 1 << 20, count=half), Call("all_gather", 1 << 18, "backward", count=half))
    run = make_analysis(
        name=name, ranks=ranks, steps=1, calls=calls, late_ns=late, layout=None, compute_ns=2_000_000_000
    )
    window = run.windows[0]
    edges = np.linspace(window.start_ns, window.end_ns, 2 * spans + 1).astype(np.int64)
    compute = Intervals(edges[:-1:2], edges[1::2])
    return dataclasses.replace(run, compute=dict.fromkeys(run.ranks, compute))


def library_of(ranks: int, collectives: int, spans: int) -> Library:
    """Two such runs."""
    runs = [large(name, ranks=ranks, collectives=collectives, spans=spans) for name in ("a", "b")]
    return Library([LoadedRun(run.run.name, Path(run.run.name), analysis=run) for run in runs])


def milliseconds(action: Callable[[], object]) -> float:
    """Median processor time of a few repeats, after one to warm up; other programs do not count."""
    action()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return 1_000 * sorted(times)[REPEATS // 2]


def dumped(figure: charts.Json) -> str:
    """The figure as it is sent."""
    return str(to_json_plotly(figure))


def marks(figure: charts.Json) -> int:
    """SVG marks of a figure."""
    return sum(
        len(trace["x"])
        for trace in figure["data"]
        if trace["type"] in SVG_TYPES and trace.get("x") is not None
    )


def table(title: str, library: Library) -> None:
    """One table of callback times."""
    view = view_of(library, {})
    print(f"\n### {title}\n\n| callback | median ms of processor | SVG marks |\n|---|--:|--:|")
    for key in FIGURES:
        took = milliseconds(lambda key=key: dumped(charts.drawn_anew(library, view, key).figure))  # type: ignore[misc]
        print(f"| {key} | {took:.0f} | {marks(charts.draw(library, view, key).figure):,} |")
    zoom = {"xaxis.range[0]": 0.2, "xaxis.range[1]": 0.3}
    for key in ("timeline", "critical-path"):
        took = milliseconds(lambda key=key: dumped(refined(library, {}, key, zoom)))  # type: ignore[misc]
        print(f"| {key}, zoomed | {took:.0f} | |")
    for key in PARTS:
        took = milliseconds(lambda key=key: parts.render(library, view, key))  # type: ignore[misc]
        print(f"| {key} | {took:.0f} | |")


def paint(title: str, library: Library) -> None:
    """Time until the verdict stands, and until the first six figures are drawn."""
    from playwright.sync_api import sync_playwright
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    app = app_of(library)
    warm(app)
    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        page.goto(f"http://127.0.0.1:{server.server_port}/", wait_until="commit")
        page.wait_for_selector(".verdict")
        verdict = time.perf_counter() - start
        wait_until(page, "document.querySelectorAll('.js-plotly-plot .main-svg').length >= 6")
        print(
            f"\n{title}: verdict after {verdict:.1f} s, six figures after {time.perf_counter() - start:.1f} s"
        )
        browser.close()
    server.shutdown()


def main() -> None:
    """Both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paint", action="store_true", help="also measure the first paint in chromium")
    options = parser.parse_args()
    for title, library in (
        ("8 ranks x 100,000 spans, 400 collectives", library_of(8, 400, 100_000)),
        ("64 ranks x 2,000 spans, 200 collectives", library_of(64, 200, 2_000)),
    ):
        table(title, library)
        if options.paint:
            paint(title, library)


if __name__ == "__main__":
    main()
