"""T1: sni_callback may choose another context or reject the name."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest
import trustme

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair
from support.raw_peer import RawPeer, RawPeers

NAMES = ("one.example", "two.example")


def named_contexts(authority: trustme.CA) -> dict[str, ssl.SSLContext]:
    made = {}
    for name in NAMES:
        made[name] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(made[name])
        made[name].set_alpn_protocols([name[:3]])
    return made


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("upgraded", [False, True], ids=["listen", "start_tls"])
@pytest.mark.parametrize("name", NAMES)
async def test_context_chosen_by_sni_callback_is_used(
    name: str, upgraded: bool, version: ssl.TLSVersion, tls: Certificates
) -> None:
    contexts = named_contexts(tls.authority)
    first, client = tls.new_server_context(), tls.new_client_context()
    client.maximum_version = version

    def choose(ssl_object: Any, asked: str | None, context: ssl.SSLContext) -> None:
        assert context is first
        ssl_object.context = contexts[str(asked)]

    first.sni_callback = choose
    named: dict[str, Any] = {"ssl": client, "server_hostname": name}
    keywords: dict[str, Any] = {} if upgraded else {"server": {"ssl": first}, "client": named}
    async with connected_pair(sluiceway, **keywords) as (near, far):
        if upgraded:
            upgrade = asyncio.create_task(far[1].start_tls(first))
            await near[1].start_tls(client, server_hostname=name)
            await upgrade
        assert near[1].get_extra_info("peercert")["subjectAltName"] == (("DNS", name),)
        assert far[1].get_extra_info("ssl_object").context is contexts[name]
        near[1].write(b"x")
        assert await far[0].readexactly(1) == b"x"


async def test_client_raises_the_alert_of_a_rejected_server_name(raw_peers: RawPeers, tls: Certificates) -> None:
    context = tls.new_server_context()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def serve(peer: RawPeer) -> None:
        with contextlib.suppress(ssl.SSLError):
            peer.start_tls(context, server_side=True)

    script = raw_peers.serve(serve)
    with pytest.raises(ssl.SSLError, match=rf"(?is)unrecognized.name.*{script.address[1]}"):
        await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    await script.finished()
