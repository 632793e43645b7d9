"""A rich progress bar on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from commscope.printable import printable
from commscope.units import format_time


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields a function that advances the bar by one; the bar vanishes when done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(escape(printable(title)), total=total)
        yield lambda: shown.advance(task)


@contextmanager
def step_line(title: str) -> Iterator[Callable[[int, int, int | None, float | None], None]]:
    """Yields a function of (step, steps, time_ns, loss) that shows how far a recording is."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(escape(printable(title)), total=None, told="starting")

        def show(step: int, steps: int, time_ns: int | None, loss: float | None) -> None:
            told = [format_time(time_ns)] * (time_ns is not None) + [f"loss {loss:.4g}"] * (loss is not None)
            told += ["waiting for the end"] * (step >= steps)
            shown.update(task, completed=step, total=steps, told="  ".join(told))

        yield show
