"""A TLS 1.3 client that encrypts its own records after the handshake, to send any number of key updates.

OpenSSL's own API for them is not in the ``ssl`` module. ``KeyUpdatingClient`` takes the client's traffic secret from
the key log (RFC 8446, sections 4.6.3, 5.2 and 7.1 to 7.3)::

    client = KeyUpdatingClient(manual_tls.ssl_object, key_log_file)
    peer.send(client.key_update_requests(1000) + client.data(b"line\\n"))
"""

from __future__ import annotations

import pathlib
import ssl

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_APPLICATION_DATA, _HANDSHAKE = 23, 22
_KEY_UPDATE_REQUESTED = bytes([24, 0, 0, 1, 1])
_HASHES: dict[str, hashes.HashAlgorithm] = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384()}


class KeyUpdatingClient:
    """Makes the records of ``ssl_object``, a client that has sent nothing since its handshake."""

    def __init__(self, ssl_object: ssl.SSLObject, key_log_file: str) -> None:
        cipher = ssl_object.cipher()
        assert cipher is not None
        _, _, bits, _, name = cipher[0].split("_")
        self._hash = _HASHES[name]
        self._key_size = int(bits) // 8
        lines = [line.split() for line in pathlib.Path(key_log_file).read_text().splitlines()]
        [secret] = [fields[2] for fields in lines if fields[0] == "CLIENT_TRAFFIC_SECRET_0"]
        self._use(bytes.fromhex(secret))

    def key_update_requests(self, count: int) -> bytes:
        """Return ``count`` records; the peer answers each with one record."""
        records = bytearray()
        for _ in range(count):
            records += self._record(_KEY_UPDATE_REQUESTED, _HANDSHAKE)
            self._use(self._derive(self._secret, b"traffic upd", self._hash.digest_size))
        return bytes(records)

    def data(self, content: bytes) -> bytes:
        """Return one record of data."""
        return self._record(content, _APPLICATION_DATA)

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(self._derive(secret, b"key", self._key_size))
        self._nonce = int.from_bytes(self._derive(secret, b"iv", 12), "big")
        self._number = 0

    def _derive(self, secret: bytes, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
        return HKDFExpand(self._hash, size, info).derive(secret)

    def _record(self, content: bytes, kind: int) -> bytes:
        header = bytes([_APPLICATION_DATA, 3, 3]) + (len(content) + 17).to_bytes(2, "big")
        nonce = (self._nonce ^ self._number).to_bytes(12, "big")
        self._number += 1
        return header + self._cipher.encrypt(nonce, content + bytes([kind]), header)
