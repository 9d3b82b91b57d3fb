"""BadArgument: the error for wrong arguments of a command."""

from __future__ import annotations

from typing import IO, Any

import click


class BadArgument(click.ClickException):
    """Raised for wrong arguments. The command prints one line, and exits with 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"sluiceway: {self.message}", file=file, err=file is None)
