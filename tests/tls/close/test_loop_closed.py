"""After the loop was closed, close() sends no close_notify: after a fork, another process may use the connection."""

import contextlib
import gc
import ssl
import types

import pytest

from support import loops
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_close_after_end_of_loop_sends_no_close_notify(
    streams: types.ModuleType, loop_kind: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    def serve(peer: RawPeer) -> str:
        peer.sock = tls.server_context.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False)
        peer.send(b"hello")
        try:
            return f"close_notify after {peer.receive_rest()!r}"
        except ssl.SSLEOFError:
            return "end without close_notify"

    script = raw_peers.serve(serve)
    loop = loops.new_runner(loop_kind).get_loop()
    opening = streams.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    reader, writer = loop.run_until_complete(opening)
    assert loop.run_until_complete(reader.readexactly(5)) == b"hello"
    loop.close()
    with contextlib.suppress(RuntimeError):
        # The loop is closed.
        writer.close()
    del reader, writer, loop
    gc.collect()
    with loops.new_runner("asyncio") as runner:
        assert runner.run(script.finished()) == "end without close_notify"
