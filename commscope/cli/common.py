"""What several commands share: options, reading runs with progress, writing the product."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from commscope.errors import UsageProblem
from commscope.printable import printable
from commscope.units import format_ranks
from commscope.whole import write_whole

if TYPE_CHECKING:
    from commscope.analysis.result import Analysis
    from commscope.trace import Gap

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def reading_options(command: Decorated) -> Decorated:
    """--rank, --jobs and --scheduler: how runs are read and analyzed."""
    for option in (
        click.option("--scheduler", metavar="tcp://HOST:PORT", help="Analyze ranks on a Dask cluster."),
        click.option("--jobs", type=click.IntRange(min=1), help="Worker processes [default: by size]."),
        click.option(
            "--rank", "ranks", multiple=True, metavar="FILE=N", help="Rank of a file that lacks it."
        ),
    ):
        command = option(command)
    return command


def gpu_option(command: Decorated) -> Decorated:
    """--gpu: whose peak MFU and HFU are of."""
    words = "v100, a100, h100, h200, b200, gb200-nvl72 or mi300x, for MFU and HFU [default: as recorded]."
    return click.option("--gpu", help=words)(command)


def output_options(*formats: str) -> Callable[[Decorated], Decorated]:
    """--format, -o and --force: what is written, and where."""

    def decorate(command: Decorated) -> Decorated:
        for option in (
            click.option("--force", is_flag=True, help="Overwrite an existing output."),
            click.option("-o", "--output", metavar="FILE", help="Write here instead of stdout ('-')."),
            click.option(
                "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True
            ),
        ):
            command = option(command)
        return command

    return decorate


def parse_ranks(pairs: Sequence[str]) -> dict[str, int]:
    """`("a.json=3",)` as {"a.json": 3}. Raises UsageProblem."""
    ranks = {}
    for pair in pairs:
        name, _, number = pair.rpartition("=")
        if not name or not number.isdigit():
            raise UsageProblem(
                f"cannot read --rank {pair!r}", hint="write --rank FILE=N, for example a.json=3"
            )
        ranks[name] = int(number)
    return ranks


def load(
    path: str,
    *,
    ranks: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Analysis:
    """Find, read and analyze one run, with a bar on stderr where that is a terminal."""
    from commscope.engine import analyze
    from commscope.readers import open_run

    _one_run(path)
    run = open_run(Path(path), ranks=parse_ranks(ranks) or None)
    with progress(f"analyze {run.info.name}", len(run.parts)) as advance:
        analysis = analyze(run, jobs=jobs, scheduler=scheduler, on_rank=lambda *_: advance())
    warn_of_damage(analysis.run.path, analysis.gaps, analysis.ranks)
    return analysis


def _one_run(path: str) -> None:
    """A folder of runs is none. Raises UsageProblem that lists them."""
    from commscope.readers.runs.find import find_runs

    found = find_runs([Path(path)])
    if found == (Path(path),):
        return
    names = ", ".join(run.name for run in found[:8]) + (", …" if len(found) > 8 else "")
    raise UsageProblem(
        f"a folder of {len(found)} runs: {names}", where=path, hint=f"name one of them: {found[0]}"
    )


def warn_of_damage(run: Path, gaps: Iterable[Gap], ranks: Sequence[int]) -> None:
    """A file that lost its end still answers, but nobody may overlook that it did."""
    for gap in gaps:
        if gap.is_damage:
            tell(f"warning: {gap.message}")
            tell(f"where: {run}, {format_ranks(gap.ranks or ranks)}")
            tell(f"hint: {gap.hint or 'record again'}")


def tell(line: str) -> None:
    """One line on stderr, whatever the names in it hold."""
    click.echo(printable(line), err=True)


def shows_progress() -> bool:
    """Whether stderr is a terminal somebody looks at."""
    return sys.stderr.isatty() and not os.environ.get("CI")


def progress(title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
    """A bar on stderr; nothing where stderr is no terminal."""
    if not shows_progress():
        return nullcontext(lambda: None)
    from commscope.cli.shown.bar import bar

    return bar(title, total)


def emit(product: str, output: str | None, *, force: bool) -> None:
    """Write the product to stdout, or whole to a file that is not overwritten without --force."""
    if output is None or output == "-":
        _show(product)
        return
    emit_bytes(product.encode(), output, force=force)


def emit_bytes(product: bytes, output: str, *, force: bool) -> None:
    """Write the product whole to a file that is not overwritten without --force."""
    path = Path(output)
    if path.is_file() and not force:
        raise UsageProblem("the output exists already", where=str(path), hint="--force overwrites it")
    try:
        write_whole(path, product)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        reason = getattr(error, "strerror", None) or "its links lead nowhere"
        raise UsageProblem(f"cannot write the output: {reason}", where=str(path)) from error
    tell(f"wrote {path}")


def _show(product: str) -> None:
    """On a terminal by its width, and never a page of HTML there."""
    if not sys.stdout.isatty():
        _to_stdout(product)
        return
    if product.startswith("<!doctype html"):
        raise UsageProblem("a page of HTML is not for a terminal", hint="-o report.html")
    sections = getattr(product, "sections", None)
    if sections is None:
        _to_stdout(product)
        return
    from commscope.cli.shown.terminal import write

    write(sections)


def _to_stdout(product: str) -> None:
    """`commscope check | head` closes our stdout early; the exit code must still be the answer's."""
    try:
        click.echo(product, nl=not product.endswith("\n"))
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    except OSError as error:
        _forget_stdout()
        raise UsageProblem(f"cannot write the output: {error.strerror}", where="stdout") from error


def _forget_stdout() -> None:
    """What is still held back for it goes nowhere, instead of failing again as the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def hint(*commands: str) -> None:
    """The next useful commands, on stderr."""
    for index, command in enumerate(commands):
        tell(("next: " if index == 0 else "      ") + command)
