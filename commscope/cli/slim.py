"""`commscope slim RUN -o OUT`: a run small enough for a repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from commscope.cli.common import hint, parse_ranks
from commscope.errors import UsageProblem
from commscope.units import format_bytes


@click.command("slim")
@click.argument("run")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Folder of the slim run.")
@click.option("--rank", "ranks", multiple=True, metavar="FILE=N", help="Rank of a file that lacks it.")
@click.option("--force", is_flag=True, help="Replace an existing slim run.")
def command(run: str, output: str, ranks: tuple[str, ...], force: bool) -> None:
    """Write RUN as columns that analyze, compare and check read like the traces themselves."""
    from commscope.readers import open_run, slim

    found = open_run(Path(run), ranks=parse_ranks(ranks) or None)
    folder = Path(output)
    if force and folder.is_dir():
        if not (folder / "run.json").is_file():
            raise UsageProblem("the output is no run", where=output, hint="--force replaces runs only")
        shutil.rmtree(folder)
    written = slim(found, folder)
    size_bytes = sum(path.stat().st_size for path in written)
    click.echo(f"{folder}: {len(found.parts)} ranks, {format_bytes(size_bytes)}")
    hint(f"commscope analyze {folder}", f"commscope check {folder} --baseline traces")
