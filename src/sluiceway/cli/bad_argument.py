"""BadArgument: the error for wrong arguments of a command."""

from __future__ import annotations

from typing import IO, Any

import click


class BadArgument(click.ClickException):
    """Raised for wrong arguments, which are reported in one line. click's own errors take three lines."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"sluiceway: {self.message}", file=file, err=file is None)
