"""A certificate authority for one run of the demonstration. It leaves no file behind."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True, slots=True)
class Identity:
    """The TLS contexts of the demonstration's servers and clients."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_identity() -> Identity:
    """Create a certificate for localhost and 127.0.0.1. Return the contexts that present it and trust its authority."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Identity(server=server, client=client)
