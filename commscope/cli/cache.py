"""`commscope cache`: what is kept of runs read before, and how to be rid of it."""

from __future__ import annotations

import contextlib

import click

from commscope.printable import printable
from commscope.units import format_bytes

_WHAT = {
    "analyses": "whole analyses, of the dashboard",
    "ranks": "analyses of ranks, of analyze, compare, check and whatif",
    "traces": "traces as columns, of the doctor and the dashboard",
}


@click.group("cache", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """What is kept of runs that were read before: `show` (the default) or `clear`.

    It is kept by content and used only where files, facts and code are the same; COMMSCOPE_CACHE names the
    folder, COMMSCOPE_NO_CACHE=1 turns it off.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@command.command("show")
def show() -> None:
    """Folder, number and size of what is kept."""
    from commscope.readers.files.user_cache import KINDS, cache_folder, entries

    click.echo(printable(str(cache_folder())))
    for kind in KINDS:
        sizes = [size for _, size in entries(kind)]
        click.echo(f"{kind:9} {len(sizes):6} {format_bytes(sum(sizes)):>10}  {_WHAT[kind]}")


@command.command("clear")
def clear() -> None:
    """Remove all of it, and nothing else that may lie there."""
    from commscope.readers.files.user_cache import KINDS, cache_folder, entries

    removed = freed_bytes = 0
    for path, size in [entry for kind in KINDS for entry in entries(kind)]:
        with contextlib.suppress(OSError):  # another process may clear too
            path.unlink()
            removed, freed_bytes = removed + 1, freed_bytes + size
    click.echo(printable(f"{cache_folder()}: {removed} entries removed, {format_bytes(freed_bytes)} freed"))
