"""What the demonstration says, and the checks that decide its exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table


class CheckFailed(Exception):  # noqa: N818 - a verdict, not an error of the program
    """A step did not do what it must; the message says what was expected and what came."""


def check(condition: bool, expectation: str) -> None:
    """Stop the step unless ``condition`` holds.

    Raises:
        CheckFailed: it does not.
    """
    if not condition:
        raise CheckFailed(expectation)


class Report:
    """Prints the steps as they happen, on a terminal or as plain lines, and remembers which failed."""

    def __init__(self, console: Console, errors: Console) -> None:
        self._console = console
        self._errors = errors
        self.failed: list[str] = []

    def heading(self, title: str) -> None:
        """Announce a step."""
        self.blank()
        self._console.print(title, style="bold", highlight=False, markup=False)

    def say(self, sentence: str) -> None:
        """One fact, as it is."""
        self._console.print(f"  {sentence}", highlight=False, markup=False, soft_wrap=True)

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def show(self, table: Table) -> None:
        """A table."""
        self._console.print(table)

    def failure(self, title: str, sentence: str) -> None:
        """Note that a step failed, in one line on standard error."""
        self.failed.append(title)
        line = " ".join(f"sluiceway: demo: {title}: {sentence}".split())
        self._errors.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[_Bar]:
        """A bar that counts ``total`` bytes; on anything but a terminal nothing is drawn."""
        if not self._console.is_terminal:
            yield _Bar()
            return
        columns = (TextColumn("  {task.description:<12}"), BarColumn(), DownloadColumn(True), TransferSpeedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield _DrawnBar(progress, task)


class _Bar:
    def advance(self, count: int) -> None:
        """``count`` more bytes are through."""


class _DrawnBar(_Bar):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)
