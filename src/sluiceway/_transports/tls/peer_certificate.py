"""The certificate of the peer, also after the connection has failed."""

from __future__ import annotations

import ssl
from typing import Any


def peer_certificate(sslobject: Any) -> Any:
    """Return what ``sslobject.getpeercert()`` returns, also after an error of the connection. None: no certificate.

    After an error, ``getpeercert()`` raises ValueError as if the handshake were not complete, although OpenSSL still
    has the certificate. In this case, the certificate is taken from the chain that the peer has sent.
    """
    try:
        return sslobject.getpeercert()
    except ValueError:
        chain = getattr(sslobject._sslobj, "get_unverified_chain", lambda: None)()
        if not chain:
            return None
        return {} if sslobject.context.verify_mode == ssl.CERT_NONE else chain[0].get_info()
