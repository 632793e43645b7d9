"""Looks that all figures share: a colour-blind safe palette with patterns, a light and a dark template."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from commscope.schema import Collective, Segment

MARK_BUDGET = 2_000  # SVG marks a browser still draws and pans without lag
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

# Paul Tol's "bright" scheme: distinct for all common kinds of colour blindness, on white and on near-black.
BLUE, CYAN, GREEN, YELLOW, RED, PURPLE, GREY = (
    "#4477AA",
    "#66CCEE",
    "#228833",
    "#CCBB44",
    "#EE6677",
    "#AA3377",
    "#BBBBBB",
)
_INK = {"light": "#1f2937", "dark": "#dfe3ea"}
_GRID = {"light": "#e2e6ec", "dark": "#3a404b"}
_RAMP = {
    "light": [[0.0, "#f6f8fb"], [0.25, "#c9dcec"], [0.5, "#7fb0d4"], [0.75, "#3a78ab"], [1.0, "#123a63"]],
    "dark": [[0.0, "#20262f"], [0.25, "#1f4a70"], [0.5, "#2f7bb0"], [0.75, "#7fc0e6"], [1.0, "#e2f4ff"]],
}


@dataclass(frozen=True, slots=True)
class Look:
    """Word, colour and pattern of one thing; no two share all of colour and pattern."""

    word: str
    colour: str
    pattern: str = ""


SEGMENTS: dict[str, Look] = {
    Segment.COMPUTE: Look("compute alone", BLUE),
    Segment.OVERLAPPED: Look("compute over communication", CYAN, "/"),
    Segment.EXPOSED_TRANSFER: Look("exposed transfer", RED),
    Segment.EXPOSED_WAIT: Look("exposed wait", YELLOW, "x"),
    "exposed": Look("exposed (wait and transfer not told apart)", RED, "\\"),
    Segment.COPY: Look("copy", PURPLE, "-"),
    Segment.HOST_BOUND: Look("host-bound", GREEN, "|"),
    Segment.IDLE: Look("idle", GREY, "."),
}

COLLECTIVES: dict[str, Look] = {
    Collective.ALL_REDUCE: Look("all_reduce", BLUE),
    Collective.ALL_GATHER: Look("all_gather", RED),
    "all_gather again": Look("all_gather, repeated", PURPLE, "x"),
    Collective.REDUCE_SCATTER: Look("reduce_scatter", YELLOW, "/"),
    Collective.ALL_TO_ALL: Look("all_to_all", GREEN, "\\"),
    Collective.BROADCAST: Look("broadcast", CYAN, "-"),
    Collective.SEND: Look("send", GREY, "/"),
    Collective.RECV: Look("recv", GREY, "\\"),
    Collective.SEND_RECV: Look("send_recv", GREY, "x"),
    Collective.REDUCE: Look("reduce", CYAN, "|"),
    Collective.GATHER: Look("gather", RED, "|"),
    Collective.SCATTER: Look("scatter", YELLOW, "|"),
    Collective.BARRIER: Look("barrier", GREY, "."),
    Collective.UNKNOWN: Look("unknown kind", GREY),
}

PATH_KINDS: dict[str, Look] = {
    "compute": Look("compute", BLUE),
    "transfer": Look("transfer", RED, "/"),
    "communication": Look("communication, wait not told", RED, "x"),
    "latency": Look("latency", PURPLE, "|"),
    "wait": Look("wait", YELLOW, "x"),
    "copy": Look("copy", PURPLE, "-"),
    "host": Look("host", GREEN, "|"),
    "idle": Look("idle", GREY, "."),
}

RUNS = (Look("baseline", BLUE), Look("candidate", RED, "/"))


def marker(look: Look, *, opacity: float = 1.0) -> dict[str, object]:
    """Fill of a bar: the colour, with the pattern drawn over it so that it survives grey printing."""
    shown: dict[str, object] = {"color": look.colour, "line": {"width": 0}, "opacity": opacity}
    if look.pattern:
        shown["pattern"] = {
            "shape": look.pattern,
            "fillmode": "overlay",
            "fgcolor": "rgba(0,0,0,0.55)",
            "size": 6,
            "solidity": 0.25,
        }
    return shown


def look_of(looks: dict[str, Look], key: str) -> Look:
    """The look of a key, or grey with the key as its word."""
    return looks.get(key, Look(key, GREY, "+"))


def template(scheme: str) -> go.layout.Template:
    """The plotly template of a colour scheme, `light` or `dark`."""
    ink, grid, ramp = _INK[scheme], _GRID[scheme], _RAMP[scheme]
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": grid,
        "automargin": True,
        "title": {"font": {"size": 12}, "standoff": 6},
        "tickfont": {"size": 11},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "color": ink, "size": 12},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "title": {"font": {"size": 15}, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 8}},
            "xaxis": axis,
            "yaxis": axis,
            "colorscale": {"sequential": ramp},
            "coloraxis": {"colorbar": {"outlinewidth": 0, "thickness": 12}},
            "legend": {
                "itemwidth": 30,
                "traceorder": "normal",
                "orientation": "h",
                "x": 0,
                "y": 1.0,
                "yanchor": "bottom",
                "font": {"size": 11},
            },
            "hoverlabel": {"font": {"family": FONT, "size": 12}},
            "margin": {"l": 8, "r": 8, "t": 72, "b": 8},
            "bargap": 0.18,
            "annotationdefaults": {"font": {"color": ink}, "arrowcolor": ink},
        },
        data={
            "heatmap": [
                {"type": "heatmap", "colorscale": ramp, "colorbar": {"outlinewidth": 0, "thickness": 12}}
            ]
        },
    )


def base(title: str, *, height: int = 340) -> go.Figure:
    """An empty figure with the light template and a title."""
    figure = go.Figure()
    figure.update_layout(template=template("light"), title={"text": title}, height=height)
    return figure


def nothing(title: str, reason: str, *, height: int = 220) -> go.Figure:
    """A figure that says why there is nothing to draw."""
    figure = base(title, height=height)
    figure.update_layout(meta={"empty": True})
    figure.add_annotation(
        text=reason, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 13}
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure
