"""T1: client certificates that are required, optional, or requested after the handshake.

test_alerts.py tests rejected ones.
"""

import asyncio
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair
from support.scheduling import wait_until
from tls.handshake.tls_versions import context_requiring_certificate, each_tls_version


@each_tls_version
@pytest.mark.parametrize("upgraded", [False, True], ids=["connect", "start_tls"])
async def test_required_client_certificate_is_readable_on_the_server(
    version: str, upgraded: bool, tls: Certificates
) -> None:
    client_context = tls.new_client_context()
    tls.authority.issue_cert("client.example").configure_cert(client_context)
    server_context = context_requiring_certificate(tls, version)
    named: dict[str, Any] = {"ssl": client_context, "server_hostname": "localhost"}
    keywords: dict[str, Any] = {} if upgraded else {"server": {"ssl": server_context}, "client": named}
    async with connected_pair(sluiceway, **keywords) as (near, far):
        if upgraded:
            upgrade = asyncio.create_task(far[1].start_tls(server_context))
            await near[1].start_tls(client_context, server_hostname="localhost")
            await upgrade
        near[1].write(b"x")
        assert await far[0].readexactly(1) == b"x"
        assert far[1].get_extra_info("peercert")["subjectAltName"] == (("DNS", "client.example"),)
        assert far[1].get_extra_info("ssl_object").getpeercert(binary_form=True)


async def test_missing_optional_client_certificate_is_not_an_error(tls: Certificates) -> None:
    """T1: verify_mode is CERT_OPTIONAL."""
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_OPTIONAL
    named: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": context}, client=named) as (near, far):
        near[1].write(b"x")
        assert await far[0].readexactly(1) == b"x"
        assert not far[1].get_extra_info("peercert")


async def test_post_handshake_authentication_provides_the_client_certificate(tls: Certificates) -> None:
    """T1: by the methods of the ssl module in TLS 1.3; the next write sends the request."""
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    server_context.verify_mode = ssl.CERT_OPTIONAL
    server_context.post_handshake_auth = client_context.post_handshake_auth = True
    tls.authority.issue_cert("client.example").configure_cert(client_context)
    named: dict[str, Any] = {"ssl": client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": server_context}, client=named) as (near, far):
        ssl_object = far[1].get_extra_info("ssl_object")
        assert not ssl_object.getpeercert()
        ssl_object.verify_client_post_handshake()
        far[1].write(b"who?\n")
        assert await near[0].readline() == b"who?\n"
        near[1].write(b"me\n")
        assert await far[0].readline() == b"me\n"
        await wait_until(ssl_object.getpeercert)
        assert ssl_object.getpeercert()["subjectAltName"] == (("DNS", "client.example"),)
