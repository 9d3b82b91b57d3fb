"""curl as the client of a TLS server: bodies in both directions, keep-alive, close_notify, client certificates.

The server implements the part of HTTP/1.1 that these tests need.
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

each_version = pytest.mark.parametrize("version", ["1.2", "1.3"])


class HTTPServer:
    """Answers requests; counts the connections and keeps their certificates and TLS versions."""

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
    """Fetch ``paths``; return the output: for each path its status, the size of its body, and the error."""
    host, port = address
    output_format = "%{http_code} %{size_download} %{errormsg}\\n"
    command: list[str | pathlib.Path] = [
        require_program("curl"), "-q", "-sS", "--noproxy", "*", "--http1.1", "-H", "Expect:", "-w", output_format,
        "--cacert", tls.ca_file, f"--tlsv{version}", "--tls-max", version,
        "--resolve", f"localhost:{port}:{host}", *options,
    ]  # fmt: skip
    for path in paths:
        command += [f"https://localhost:{port}{path}"]
    with run_interactive(*command) as program:
        return await program.read_to_end()


@each_version
async def test_curl_downloads_and_uploads_bodies(version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    http_server = HTTPServer()
    (tmp_path / "body").write_bytes(CONTENT)
    async with await sluiceway.start_server(http_server.handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        address = server_address(server)
        got = await curl(address, tls, version, "-o", tmp_path / "got", paths=("/content",))
        assert got == f"200 {len(CONTENT)} \n"
        assert (tmp_path / "got").read_bytes() == CONTENT
        got = await curl(address, tls, version, "--data-binary", f"@{tmp_path / 'body'}", paths=("/digest",))
        assert got == f"{hashlib.sha256(CONTENT).hexdigest()}200 64 \n"
    assert http_server.versions == [f"TLSv{version}"] * 2


@each_version
async def test_curl_sends_several_requests_on_one_connection(
    version: str, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    http_server = HTTPServer()
    async with await sluiceway.start_server(http_server.handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        # -o is for one URL each.
        outputs = [part for number in range(5) for part in ("-o", str(tmp_path / str(number)))]
        got = await curl(server_address(server), tls, version, *outputs, paths=("/content",) * 5)
        assert got == f"200 {len(CONTENT)} \n" * 5
    assert http_server.connections == 1
    assert [(tmp_path / str(number)).read_bytes() == CONTENT for number in range(5)] == [True] * 5


@each_version
async def test_curl_accepts_a_body_that_ends_with_close_notify(
    version: str, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    """Without close_notify, curl would report a truncated body."""
    http_server = HTTPServer()
    async with await sluiceway.start_server(http_server.handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        got = await curl(server_address(server), tls, version, "-o", tmp_path / "got", paths=("/close",))
        assert got == f"200 {len(CONTENT)} \n"
    assert (tmp_path / "got").read_bytes() == CONTENT


@each_version
async def test_server_receives_the_certificate_of_curl(version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    http_server = HTTPServer()
    certificate = tls.authority.issue_cert("client.example")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    own = ("--cert", tmp_path / "client.pem")
    async with await sluiceway.start_server(http_server.handle, "127.0.0.1", 0, ssl=context) as server:
        got = await curl(server_address(server), tls, version, *own, "-o", tmp_path / "got", paths=("/content",))
        assert got == f"200 {len(CONTENT)} \n"
    assert [peer["subjectAltName"] for peer in http_server.peers] == [(("DNS", "client.example"),)]


@each_version
async def test_curl_without_a_certificate_reports_the_alert(
    version: str, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    http_server = HTTPServer()
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    async with await sluiceway.start_server(http_server.handle, "127.0.0.1", 0, ssl=context) as server:
        got = await curl(server_address(server), tls, version, paths=("/content",))
    assert ("handshake failure" if version == "1.2" else "certificate required") in got
    assert "000 0 " in got
    assert http_server.connections == 0
    if loop_kind == "debug":
        loop_errors.clear()
