"""Log records of a test: those at level WARNING or above, whichever logger made them."""

import logging
from typing import Any

import pytest


def logged_warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def only_warning(caplog: pytest.LogCaptureFixture) -> str:
    """Return the message of the one record, a warning of the logger "sluiceway"."""
    records = logged_warnings(caplog)
    assert [(record.name, record.levelname) for record in records] == [("sluiceway", "WARNING")], records
    return records[0].getMessage()


def names_both_addresses(message: str, writer: Any) -> bool:
    addresses = [writer.get_extra_info(name) for name in ("sockname", "peername")]
    return all(f"{host}:{port}" in message for host, port in addresses)
