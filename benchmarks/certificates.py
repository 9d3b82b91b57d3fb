"""The certificate of all TLS servers: ECDSA P-256, signed by an authority that the load generator trusts.

Both are created once, in .build/, and are used only by the benchmarks.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tempfile

from benchmarks.compiling import BUILD


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Three files: the server's certificate for localhost, its key, and the certificate of the authority."""

    directory: pathlib.Path

    @property
    def certificate(self) -> pathlib.Path:
        return self.directory / "certificate.pem"

    @property
    def key(self) -> pathlib.Path:
        return self.directory / "key.pem"

    @property
    def authority(self) -> pathlib.Path:
        return self.directory / "authority.pem"


def identity() -> Identity:
    """Return the files. Creates them if they do not exist, which needs trustme."""
    found = Identity(BUILD / "identity")
    if found.directory.exists():
        return found
    import trustme

    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        new = Identity(pathlib.Path(directory) / "identity")
        new.directory.mkdir()
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(new.authority)
        leaf = authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA)
        leaf.cert_chain_pems[0].write_to_path(new.certificate)
        leaf.private_key_pem.write_to_path(new.key)
        # Two runs may do this at the same time. The first folder is used by both, because the files belong together.
        try:
            os.rename(new.directory, found.directory)
        except OSError:
            if not found.directory.exists():
                raise
    return found
