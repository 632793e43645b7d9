"""`commscope slim RUN -o OUT`: a run small enough for a repository."""

from __future__ import annotations

from pathlib import Path

import click

from commscope.cli.common import hint, parse_ranks, warn_of_damage
from commscope.printable import printable
from commscope.units import format_bytes


@click.command("slim")
@click.argument("run")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Folder of the slim run.")
@click.option("--rank", "ranks", multiple=True, metavar="FILE=N", help="Rank of a file that lacks it.")
@click.option("--force", is_flag=True, help="Replace an existing slim run.")
def command(run: str, output: str, ranks: tuple[str, ...], force: bool) -> None:
    """Write RUN as columns that analyze, compare and check read like the traces themselves."""
    from commscope.readers import open_run, slim
    from commscope.readers.slim.parquet_file import read_beside

    found = open_run(Path(run), ranks=parse_ranks(ranks) or None)
    folder = Path(output)
    written = slim(found, folder, replace_run=force)
    gaps = (*found.gaps, *(gap for path in written[:-1] for gap in read_beside(path).gaps))
    warn_of_damage(found.info.path, gaps, [part.rank for part in found.parts])
    size_bytes = sum(path.stat().st_size for path in written)
    click.echo(printable(f"{folder}: {len(found.parts)} ranks, {format_bytes(size_bytes)}"))
    hint(f"commscope analyze {folder}", f"commscope check {folder} --baseline traces")
