"""The command ``sluiceway doctor``: its arguments."""

from __future__ import annotations

import click

from sluiceway.cli.doctor.report import show


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def doctor(as_json: bool) -> None:
    """Report the state of this installation.

    The report contains the versions; whether the compiled core and the engine are in use, with the reason if they are
    not; the transport of a trial connection on each event loop; the TLS library; and the system's limits on
    connections, with advice if one is low. The exit status is 0.
    """
    show(as_json=as_json)
