"""The output of the demonstration, and the checks that determine its exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table


class CheckFailed(Exception):  # noqa: N818 - a failed check, not an error of the program
    """Raised by a check that fails. The message states the expected result, and the actual one if it says more."""


def check(condition: bool, expectation: str) -> None:
    """Raise CheckFailed with the message ``expectation`` unless ``condition`` is true."""
    if not condition:
        raise CheckFailed(expectation)


class Report:
    """Prints the results of the steps and records which steps failed."""

    def __init__(self, console: Console, errors: Console) -> None:
        self._console = console
        self._errors = errors
        self.failed: list[str] = []

    def heading(self, title: str) -> None:
        """Print the title of a step."""
        self.blank()
        self._console.print(title, style="bold", highlight=False, markup=False)

    def say(self, sentence: str) -> None:
        """Print one line."""
        self._console.print(f"  {sentence}", highlight=False, markup=False, soft_wrap=True)

    def blank(self) -> None:
        self._console.print()

    def show(self, table: Table) -> None:
        self._console.print(table)

    def failure(self, title: str, sentence: str) -> None:
        """Record that the step ``title`` failed, and print ``sentence`` as one line to standard error."""
        self.failed.append(title)
        line = " ".join(f"sluiceway: demo: {title}: {sentence}".split())
        self._errors.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[_Bar]:
        """Return a context manager that shows a progress bar of ``total`` bytes if the console is a terminal.

        Its value is a _Bar, whose advance() the ``with`` block calls.
        """
        if not self._console.is_terminal:
            yield _Bar()
            return
        columns = (TextColumn("  {task.description:<12}"), BarColumn(), DownloadColumn(True), TransferSpeedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield _DrawnBar(progress, task)


class _Bar:
    def advance(self, count: int) -> None:
        """Advance the bar by ``count`` bytes."""


class _DrawnBar(_Bar):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)
