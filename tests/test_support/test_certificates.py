"""The certificates of tests/support."""

import ssl

import pytest


def do_handshake_in_memory(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Complete a handshake in memory and return the client's SSLObject."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server, server_hostname=name)
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [client_side, server_side]
    for side in (client_side, server_side) * 4:
        try:
            if side in pending:
                side.do_handshake()
                pending.remove(side)
        except ssl.SSLWantReadError:
            pass
    assert pending == []
    return client_side


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_shared_contexts_trust_each_other(tls, name):
    assert do_handshake_in_memory(tls.client_context, tls.server_context, name).version().startswith("TLS")
    do_handshake_in_memory(tls.new_client_context(), tls.new_server_context(), name)


def test_other_context_or_other_name_fails_verification(tls):
    with pytest.raises(ssl.SSLCertVerificationError, match=r"certificate verify failed: (unable to get|self.signed)"):
        do_handshake_in_memory(ssl.create_default_context(), tls.new_server_context(), "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="ostname mismatch"):
        do_handshake_in_memory(tls.new_client_context(), tls.new_server_context(), "example.org")
