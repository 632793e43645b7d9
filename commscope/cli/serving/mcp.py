"""`commscope mcp ROOT...`: answer an agent's questions about the runs under these folders."""

from __future__ import annotations

import click

from commscope.errors import BackendProblem


@click.command("mcp")
@click.argument("roots", nargs=-1, required=True)
def command(roots: tuple[str, ...]) -> None:
    """Serve read-only tools over the runs under ROOTS, on stdin and stdout (Model Context Protocol)."""
    try:
        from commscope.agents import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise BackendProblem(
            "the protocol's package is not installed",
            hint="pip install mcp",
        ) from error
    serve(roots)
