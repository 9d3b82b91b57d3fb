"""Certificates for TLS on loopback, made once per run by an authority that only the tests trust."""

import dataclasses
import pathlib
import ssl

import pytest
import trustme


@dataclasses.dataclass(frozen=True)
class Certificates:
    """The shared contexts serve most tests; a test that changes a context creates a new one.

    The server's certificate names localhost, 127.0.0.1 and ::1.
    """

    authority: trustme.CA
    ca_file: str
    certificate_file: str
    key_file: str
    server_context: ssl.SSLContext
    client_context: ssl.SSLContext

    def new_server_context(self) -> ssl.SSLContext:
        """Return a server context with the certificate, which verifies client certificates of the authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca_file)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def new_client_context(self) -> ssl.SSLContext:
        """Return a client context that trusts only the authority."""
        return ssl.create_default_context(cafile=self.ca_file)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory: pathlib.Path = tmp_path_factory.mktemp("tls")
    ca_file, certificate_file, key_file = (str(directory / name) for name in ("ca.pem", "server.pem", "server.key"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    server_certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
    for number, blob in enumerate(server_certificate.cert_chain_pems):
        blob.write_to_path(certificate_file, append=number > 0)
    server_certificate.private_key_pem.write_to_path(key_file)

    placeholder = ssl.create_default_context()
    certificates = Certificates(authority, ca_file, certificate_file, key_file, placeholder, placeholder)
    return dataclasses.replace(
        certificates, server_context=certificates.new_server_context(), client_context=certificates.new_client_context()
    )
