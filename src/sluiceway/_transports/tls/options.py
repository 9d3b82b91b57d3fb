"""Checks of ``ssl_handshake_timeout``, ``ssl_shutdown_timeout`` and ``strict_eof``, before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._implementation import core


def tls_options(ssl: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dict of ssl_handshake_timeout, ssl_shutdown_timeout and strict_eof for TLSTransport; {} without ``ssl``.

    Raises:
        ValueError: one of the three was given without ``ssl``, or a timeout is not greater than 0.
        TypeError: a timeout is not a number.
    """
    timeouts = {name: given[name] for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout")}
    for name, seconds in timeouts.items():
        if seconds is None:
            continue
        if not ssl:
            raise ValueError(f"{name} is only meaningful with ssl")
        timeouts[name] = core.as_seconds(core.float_if_number(seconds), name)
    if ssl:
        return {**timeouts, "strict_eof": given["strict_eof"]}
    if given["strict_eof"]:
        raise ValueError("strict_eof is only meaningful with ssl")
    return {}
