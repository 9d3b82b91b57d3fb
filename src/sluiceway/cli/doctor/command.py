"""``sluiceway doctor``: the arguments, and what is printed."""

from __future__ import annotations

import json

import click
from rich.console import Console

from sluiceway.cli.doctor.findings import as_json, as_lines
from sluiceway.cli.doctor.implementation import implementation
from sluiceway.cli.doctor.limits import limits
from sluiceway.cli.doctor.trial import loops
from sluiceway.cli.doctor.versions import tls, versions


@click.command()
@click.option("--json", "for_machines", is_flag=True, help="Print one JSON object instead.")
def doctor(for_machines: bool) -> None:
    """Show what this installation is made of, and what limits it.

    Versions; whether the compiled core and the engine are in use, and if not, why; what carries a connection on each
    loop, found out by making one; the TLS library; the system's limits on connections, with advice where one is low.
    Exit status: 0.
    """
    sections = [versions(), implementation(), loops(), tls(), limits()]
    if for_machines:
        click.echo(json.dumps(as_json(sections), indent=2))
        return
    console = Console()
    for line, heading in as_lines(sections):
        console.print(line, style="bold" if heading else None, highlight=False, markup=False, soft_wrap=True)
