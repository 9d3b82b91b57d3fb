"""curl on the other side: both versions, a body each way, one connection for several requests, client certificates.

The server speaks as much HTTP/1.1 as that needs.
"""

import hashlib
import pathlib
import random
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.external_programs import require_program
from support.interactive_programs import run_interactive

CONTENT = random.Random(5).randbytes(2 << 20)

both_versions = pytest.mark.parametrize("version", ["1.2", "1.3"])


class Site:
    """Answers requests, and knows on how many connections they came and whose they were."""

    def __init__(self) -> None:
        self.connections = 0
        self.peers: list[Any] = []
        self.versions: list[str] = []

    async def handle(self, reader: Any, writer: Any) -> None:
        self.connections += 1
        self.peers.append(writer.get_extra_info("peercert"))
        self.versions.append(writer.get_extra_info("ssl_object").version())
        while request := await reader.readline():
            _, path, _ = request.split()
            head = await self._head(reader)
            body = await reader.readexactly(int(head.get(b"content-length", b"0")))
            if path == b"/close":
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                writer.write(CONTENT)
                break
            answer = hashlib.sha256(body).hexdigest().encode() if path == b"/digest" else CONTENT
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
            writer.write(answer)
            await writer.drain()
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass

    async def _head(self, reader: Any) -> dict[bytes, bytes]:
        head = {}
        while (line := await reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            head[name.lower()] = value.strip()
        return head


async def curl(
    address: tuple[str, int], tls: Certificates, version: str, *options: str | pathlib.Path, paths: tuple[str, ...]
) -> str:
    """Let it fetch ``paths``; return what it says: for each its code and the size of what came, and its errors."""
    host, port = address
    said = "%{http_code} %{size_download} %{errormsg}\\n"
    command: list[str | pathlib.Path] = [
        require_program("curl"), "-q", "-sS", "--noproxy", "*", "--http1.1", "-H", "Expect:", "-w", said,
        "--cacert", tls.ca_file, f"--tlsv{version}", "--tls-max", version,
        "--resolve", f"localhost:{port}:{host}", *options,
    ]  # fmt: skip
    for path in paths:
        command += [f"https://localhost:{port}{path}"]
    with run_interactive(*command) as program:
        return await program.read_to_end()


@both_versions
async def test_bodies_both_ways(version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    site = Site()
    (tmp_path / "body").write_bytes(CONTENT)
    async with await sluiceway.start_server(site.handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        address = server_address(server)
        got = await curl(address, tls, version, "-o", tmp_path / "got", paths=("/content",))
        assert got == f"200 {len(CONTENT)} \n"
        assert (tmp_path / "got").read_bytes() == CONTENT
        got = await curl(address, tls, version, "--data-binary", f"@{tmp_path / 'body'}", paths=("/digest",))
        assert got == f"{hashlib.sha256(CONTENT).hexdigest()}200 64 \n"
    assert site.versions == [f"TLSv{version}"] * 2


@both_versions
async def test_several_requests_on_one_connection(version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    site = Site()
    async with await sluiceway.start_server(site.handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        # -o is for one URL each.
        outputs = [part for number in range(5) for part in ("-o", str(tmp_path / str(number)))]
        got = await curl(server_address(server), tls, version, *outputs, paths=("/content",) * 5)
        assert got == f"200 {len(CONTENT)} \n" * 5
    assert site.connections == 1
    assert [(tmp_path / str(number)).read_bytes() == CONTENT for number in range(5)] == [True] * 5


@both_versions
async def test_our_close_notify_ends_the_body(version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    """The end of the connection is the end of the body: curl takes it for whole because of close_notify."""
    site = Site()
    async with await sluiceway.start_server(site.handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        got = await curl(server_address(server), tls, version, "-o", tmp_path / "got", paths=("/close",))
        assert got == f"200 {len(CONTENT)} \n"
    assert (tmp_path / "got").read_bytes() == CONTENT


@both_versions
async def test_a_clients_certificate(version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    site = Site()
    mine = tls.authority.issue_cert("client.example")
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    own = ("--cert", tmp_path / "client.pem")
    async with await sluiceway.start_server(site.handle, "127.0.0.1", 0, ssl=context) as server:
        got = await curl(server_address(server), tls, version, *own, "-o", tmp_path / "got", paths=("/content",))
        assert got == f"200 {len(CONTENT)} \n"
    assert [peer["subjectAltName"] for peer in site.peers] == [(("DNS", "client.example"),)]


@both_versions
async def test_without_one_it_is_told(
    version: str, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    site = Site()
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    async with await sluiceway.start_server(site.handle, "127.0.0.1", 0, ssl=context) as server:
        got = await curl(server_address(server), tls, version, paths=("/content",))
    assert ("handshake failure" if version == "1.2" else "certificate required") in got
    assert "000 0 " in got
    assert site.connections == 0
    if loop_kind == "debug":
        loop_errors.clear()
