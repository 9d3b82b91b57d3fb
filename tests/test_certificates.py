"""The certificates that other tests rely on."""

import ssl

import pytest


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Carry a whole handshake through memory and return the client's end."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [near, far]
    for side in (near, far) * 4:
        try:
            if side in pending:
                side.do_handshake()
                pending.remove(side)
        except ssl.SSLWantReadError:
            pass
    assert pending == []
    return near


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_shared_contexts_trust_each_other(tls, name):
    assert shake_hands(tls.client_context, tls.server_context, name).version().startswith("TLS")
    shake_hands(tls.new_client_context(), tls.new_server_context(), name)


def test_nobody_else_trusts_them_and_names_are_checked(tls):
    with pytest.raises(ssl.SSLCertVerificationError, match=r"certificate verify failed: (unable to get|self.signed)"):
        shake_hands(ssl.create_default_context(), tls.new_server_context(), "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="ostname mismatch"):
        shake_hands(tls.new_client_context(), tls.new_server_context(), "example.org")
