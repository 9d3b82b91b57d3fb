"""The group of commands: what all of them share (the version, Ctrl-C, output that cannot be encoded)."""

from __future__ import annotations

import io
import platform
import sys
from typing import Any

import click

import sluiceway
from sluiceway.cli.demo.command import demo
from sluiceway.cli.doctor.command import doctor
from sluiceway.cli.headers_command import headers
from sluiceway.cli.run_command import run

_INTERRUPTED = 130


class _Group(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = super().resolve_command(ctx, args)
        if found[1] is not run:
            # A peer's header may hold characters that a terminal's encoding lacks; that is no reason to fail.
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="backslashreplace")
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # click would print "Aborted!" and exit 1; a shell expects 128 + SIGINT.
            ctx.exit(_INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    sluiceway.__version__,
    message=f"sluiceway {sluiceway.__version__} ({sluiceway.IMPLEMENTATION}, Python {platform.python_version()})",
)
def application() -> None:
    """asyncio streams, complete: a tool and a demonstration."""


application.add_command(headers)
application.add_command(doctor)
application.add_command(demo)
application.add_command(run)
