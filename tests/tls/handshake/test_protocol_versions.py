"""T1: TLS 1.2 and 1.3 in every role, as the contexts allow."""

import contextlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair
from support.raw_peer import RawPeer, RawPeers
from support.tls_connections import TLS_ROLES, tls_connection

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def only(context: ssl.SSLContext, version: str) -> ssl.SSLContext:
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", TLS_ROLES)
async def test_connection_has_the_version_of_the_context(
    role: str, version: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    def echo_and_return_version(peer: RawPeer) -> Any:
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.send(peer.receive(5))
        return peer.sock.version()

    context = only(tls.new_client_context() if role.endswith("client") else tls.new_server_context(), version)
    async with tls_connection(role, raw_peers, tls, echo_and_return_version, context=context) as (
        reader,
        writer,
        script,
    ):
        assert writer.get_extra_info("ssl_object").version() == version
        assert writer.get_extra_info("cipher")[1] in (version, "TLSv1.2")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert await script.finished() == version


async def test_highest_common_version_is_selected(tls: Certificates) -> None:
    named: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=named) as (near, far):
        for _, writer in (near, far):
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"


async def test_contexts_are_not_changed_by_connections(tls: Certificates) -> None:
    """T1: other libraries may use the same context."""
    contexts = tls.new_server_context(), tls.new_client_context()

    def state(context: ssl.SSLContext) -> tuple[Any, ...]:
        names = ("options", "verify_mode", "verify_flags", "check_hostname", "minimum_version", "maximum_version")
        return (*(getattr(context, name) for name in names), context.sni_callback, context.get_ciphers())

    before = [state(context) for context in contexts]
    named: dict[str, Any] = {"ssl": contexts[1], "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": contexts[0]}, client=named) as (near, far):
        near[1].write(b"x")
        assert await far[0].readexactly(1) == b"x"
        near[1].close()
        with contextlib.suppress(OSError):
            await near[1].wait_closed()
    assert [state(context) for context in contexts] == before
