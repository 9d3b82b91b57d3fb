"""Certificates for TLS on loopback, made once per run by an authority that only the tests trust."""

import dataclasses
import pathlib
import ssl

import pytest
import trustme


@dataclasses.dataclass(frozen=True)
class Certificates:
    """The shared contexts serve most tests; one that changes a context asks for a new one.

    The server's certificate names localhost, 127.0.0.1 and ::1.
    """

    authority: trustme.CA
    ca_file: str
    certificate_file: str
    key_file: str
    server_context: ssl.SSLContext
    client_context: ssl.SSLContext

    def new_server_context(self) -> ssl.SSLContext:
        """A server's context with the certificate, and the authority to check a client's with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca_file)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def new_client_context(self) -> ssl.SSLContext:
        """A client's context that trusts the authority and nobody else."""
        return ssl.create_default_context(cafile=self.ca_file)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory: pathlib.Path = tmp_path_factory.mktemp("tls")
    ca_file, certificate_file, key_file = (str(directory / name) for name in ("ca.pem", "server.pem", "server.key"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1")
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(certificate_file, append=number > 0)
    leaf.private_key_pem.write_to_path(key_file)

    empty = ssl.create_default_context()
    made = Certificates(authority, ca_file, certificate_file, key_file, empty, empty)
    return dataclasses.replace(made, server_context=made.new_server_context(), client_context=made.new_client_context())
