"""A bar for whoever waits at a terminal: on stderr, gone when the wait is over.

There is none in a pipe, in a log, or with --quiet: what is written there stays, and somebody reads it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p2pfw.cli.invocation import Invocation


@contextmanager
def bar(invocation: Invocation, what: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """While something lasts; call what it gives with how much was done, of `total` (None: nobody knows)."""
    if invocation.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    known = () if total is None else (TaskProgressColumn(),)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *known, TimeElapsedColumn())
    console = Console(stderr=True, no_color=invocation.no_colour or None)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)
