"""The error of a command that is called with wrong arguments."""

from __future__ import annotations

from typing import IO, Any

import click


class BadArgument(click.ClickException):
    """Wrong usage in one line, where click's own would print three."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"sluiceway: {self.message}", file=file, err=file is None)
