"""A certificate authority for one run: nothing is written to disk that outlives it, nothing is trusted after it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True, slots=True)
class Identity:
    """TLS settings for both ends of the demonstration."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_identity() -> Identity:
    """Sign a certificate for localhost and 127.0.0.1 and return contexts that present and trust it."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Identity(server=server, client=client)
