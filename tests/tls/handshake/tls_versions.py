"""TLS 1.2 and 1.3, for tests of their differences."""

import ssl

import pytest

from support.certificates import Certificates

TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

each_tls_version = pytest.mark.parametrize("version", TLS_VERSIONS)


def context_requiring_certificate(tls: Certificates, version: str) -> ssl.SSLContext:
    """Return a server context of at most this version that requires a client certificate."""
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = TLS_VERSIONS[version]
    return context
