"""One run: its ranks, phases, memory and timeline, and its files for Perfetto."""

from __future__ import annotations

from dash import html

from commscope.analysis.result import Analysis
from commscope.figures.drawing.subject import resolve
from commscope.schema import Source
from commscope_dashboard.components import Component, attributes, figure_card, part, table
from commscope_dashboard.pages import focus
from commscope_dashboard.pages.compare import run_and_step
from commscope_dashboard.runs.library import Library
from commscope_dashboard.view import View
from commscope_dashboard.web.routes import trace_url

PATH, NAME, TITLE = "/run", "Run", "One run"


def layout(library: Library, view: View) -> list[Component]:
    """The timeline first, then where the step goes, phases and memory."""
    return [
        html.Div(
            className="controls",
            children=[
                *run_and_step(library, view),
            ],
        ),
        part("failures"),
        part("run-facts"),
        figure_card("timeline", height=340, zooms=True, picks=focus.RANK),
        part("perfetto"),
        html.Div(
            className="grid",
            children=[
                figure_card("breakdown", height=320, picks=focus.RANK),
                figure_card("phases", height=320, picks=focus.RANK),
                figure_card("volume", height=320, picks=focus.VOLUME),
                figure_card("memory", height=320),
                figure_card("saved", height=320),
            ],
        ),
    ]


def facts(library: Library, view: View) -> Component:
    """What the run says about itself."""
    analysis = library.analysis(view.run)
    if analysis is None:
        return html.P("no run to show; start the dashboard with a run: commscope dashboard RUN")
    run = analysis.run
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    words = {
        "ranks": len(analysis.ranks),
        "missing_ranks": ", ".join(map(str, analysis.missing_ranks)) or "none",
        "backend": run.backend or "not told",
        "source": str(run.source or "not told"),
        "steps": sum(window.step is not None for window in analysis.windows),
        "instances": analysis.matching.instances,
        "matched": analysis.matching.matched,
        "devices": ", ".join(dict.fromkeys(run.devices)) or "none",
        "versions": versions or "not told",
    }
    return html.Div(table([words]), className="card")


def perfetto(library: Library, view: View) -> Component:
    """One choice among the ranks' recorded files, and what opens it in Perfetto or downloads it."""
    run, analysis = library.run(view.run), library.analysis(view.run)
    if run is None or analysis is None:
        return None
    if analysis.run.source == Source.NSYS:
        return html.P("nsys exports are no traces that Perfetto reads; open the .nsys-rep in Nsight Systems.")
    ranks = [rank for rank in analysis.ranks if library.trace_file(run.key, rank) is not None]
    if not ranks:
        return html.P("The recorded files of this run are not where they were; nothing to open in Perfetto.")
    spans = {rank: _span(analysis, rank, view.step) for rank in ranks}
    options = [
        html.Option(
            f"rank {rank}",
            value=str(rank),
            **attributes(
                {
                    "data-url": trace_url(run.key, rank),
                    "data-title": f"{run.key} rank {rank}",
                    "data-start-ns": str(spans[rank][0]),
                    "data-end-ns": str(spans[rank][1]),
                }
            ),
        )
        for rank in ranks
    ]
    return html.Div(
        className="card controls",
        children=[
            html.Label("Recorded events of", htmlFor="rank-file"),
            html.Select(options, id="rank-file", className="quiet"),
            html.Button("open in Perfetto", className="quiet", **attributes({"data-file": "perfetto"})),
            html.Button("download", className="quiet", **attributes({"data-file": "download"})),
            html.P(
                "Perfetto opens in a tab of its own (ui.perfetto.dev, needs internet); the trace goes from "
                "this page to that tab and stays in your browser.",
                className="soft",
            ),
        ],
    )


def _span(analysis: Analysis, rank: int, step: str) -> tuple[int, int]:
    """The window on the rank's own clock, as its file has it."""
    name = resolve(analysis, step)
    windows = [window for window in analysis.rank_windows.get(rank, ()) if window.name == name]
    offset = 0 if analysis.clock is None else analysis.clock.offsets_ns.get(rank, 0)
    return (windows[0].start_ns - offset, windows[0].end_ns - offset) if windows else (0, 0)
