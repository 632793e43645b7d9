"""`commscope dashboard RUN…`: the Dash app."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from commscope.errors import BackendProblem

PACKAGES = "dash dash-mantine-components dash-ag-grid flask-compress waitress"


@click.command("dashboard")
@click.argument("runs", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8050, show_default=True)
@click.option(
    "--allow-host", "names", multiple=True, metavar="NAME", help="Answer to this name too (behind a proxy)."
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
def command(runs: tuple[str, ...], host: str, port: int, names: tuple[str, ...], no_browser: bool) -> None:
    """Compare RUNS, or all runs found in folders of runs, in the browser."""
    try:
        from commscope_dashboard.serve import serve
    except ImportError as error:
        raise BackendProblem(
            f"the dashboard needs {error.name}", where=sys.prefix, hint=f"pip install {PACKAGES}"
        ) from error
    serve([Path(run) for run in runs], host=host, port=port, open_browser=not no_browser, names=names)
