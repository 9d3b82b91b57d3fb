"""The peer's certificate, for as long as the connection is known (contract T5)."""

from __future__ import annotations

import ssl
from typing import Any


def peer_certificate(sslobject: Any) -> Any:
    """What ``getpeercert()`` says; also behind an error, from which on the ``ssl`` module takes the handshake for one
    that was never done, though OpenSSL still has the certificate."""
    try:
        return sslobject.getpeercert()
    except ValueError:
        chain = getattr(sslobject._sslobj, "get_unverified_chain", lambda: None)()
        if not chain:
            return None
        return {} if sslobject.context.verify_mode == ssl.CERT_NONE else chain[0].get_info()
