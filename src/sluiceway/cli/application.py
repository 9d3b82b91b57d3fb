"""The group of commands, with the version, the width of help texts, and the exit status after Ctrl-C."""

from __future__ import annotations

import platform
import shutil
from typing import Any

import click

import sluiceway
from sluiceway.cli.demo.command import demo
from sluiceway.cli.doctor.command import doctor
from sluiceway.cli.headers_command import headers
from sluiceway.cli.run_command import run

_INTERRUPTED = 130
# Columns of a help text. click itself never wraps at less than 50.
_HELP_WIDTH = min(shutil.get_terminal_size().columns, 80) - 2


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # click would print "Aborted!" and exit with 1; shells expect 128 + SIGINT.
            ctx.exit(_INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "terminal_width": _HELP_WIDTH})
@click.version_option(
    sluiceway.__version__,
    message=f"sluiceway {sluiceway.__version__} ({sluiceway.IMPLEMENTATION}, Python {platform.python_version()})",
)
def application() -> None:
    """Tools and a demonstration of sluiceway, a drop-in replacement for asyncio's streams."""


application.add_command(headers)
application.add_command(doctor)
application.add_command(demo)
application.add_command(run)
