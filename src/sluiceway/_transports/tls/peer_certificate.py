"""The peer's certificate, also after the connection has failed (contract T5)."""

from __future__ import annotations

import ssl
from typing import Any


def peer_certificate(sslobject: Any) -> Any:
    """Return the result of ``getpeercert()``, also after an error.

    After an error, the ``ssl`` module raises ValueError as if the handshake were not complete. OpenSSL still has the
    certificate.
    """
    try:
        return sslobject.getpeercert()
    except ValueError:
        chain = getattr(sslobject._sslobj, "get_unverified_chain", lambda: None)()
        if not chain:
            return None
        return {} if sslobject.context.verify_mode == ssl.CERT_NONE else chain[0].get_info()
