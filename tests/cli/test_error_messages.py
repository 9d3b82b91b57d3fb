"""Every error line of ``sluiceway headers``, each caused by a real socket."""

import contextlib
import datetime
import os
import socket
import ssl
import threading

import pytest
import trustme

from cli.command_runner import run_command, single_line

# Seconds, for tests whose peer stops sending: long enough for what the peer sends before.
SHORT_TIMEOUT = "1"


def error_of_headers(url, *options, timeout="30"):
    """Run the command for one URL that must fail; return the error without the URL, and standard output."""
    result = run_command("headers", "--timeout", timeout, *options, url)
    assert result.exit_code == 1, result.output
    line = single_line(result.stderr)
    begin = f"sluiceway: {url}: "
    assert line.startswith(begin)
    return line.removeprefix(begin), result.stdout


def send_after_request(*chunks, method="half_close"):
    """Return a script that reads the request, sends ``chunks`` and calls a method of the peer."""

    def body(peer):
        # The command may end before the peer has sent everything.
        with contextlib.suppress(OSError):
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += peer.receive(1)
            peer.send(*chunks)
            getattr(peer, method)()
            peer.receive_rest()

    return body


def send_nothing(peer):
    with contextlib.suppress(OSError):
        peer.receive_rest()


def test_unknown_name_is_reported():
    # Longer than the maximum of a name (253 characters), so that no name server is contacted.
    host = ".".join(["a" * 60] * 5)
    line, _ = error_of_headers(f"http://{host}/")
    assert line.startswith(f"name not found: {host!r} (")
    assert line.endswith("; check the spelling")


def test_name_servers_without_answer_are_reported(monkeypatch):
    def raise_try_again(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", raise_try_again)
    line, _ = error_of_headers("http://example.org/")
    assert line == (
        "name not found: the name servers gave no answer for 'example.org' (Temporary failure in name resolution); "
        "check this machine's network and try again"
    )


def test_lookup_that_hangs_is_reported_after_timeout(monkeypatch):
    lookup_may_end = threading.Event()
    lookup_threads = []

    def block_lookup(*_arguments, **_options):
        lookup_threads.append(threading.current_thread())
        lookup_may_end.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", block_lookup)
    line, _ = error_of_headers("http://example.org/", timeout=SHORT_TIMEOUT)
    assert not lookup_may_end.is_set()
    lookup_may_end.set()
    lookup_threads[0].join(30)
    assert line == ("timeout: no connection with example.org:80 within 1 s; check host and port or raise --timeout")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_refused_connection_is_reported(raw_peers, scheme, host):
    listener = raw_peers.listen()
    listener.close()
    line, _ = error_of_headers(f"{scheme}://{host}:{listener.port}/")
    assert line == f"refused: nothing listens at {host}:{listener.port}; start the server or check the port"


def test_unreachable_address_is_reported():
    # A TCP connection to a multicast group fails on every machine; nothing is sent to the network, unlike with an
    # address of RFC 5737.
    line, _ = error_of_headers("http://224.0.0.1:9/")
    assert line.startswith("unreachable: 224.0.0.1:9 (")


def test_refused_address_is_reported_rather_than_unreachable_one(raw_peers, monkeypatch):
    listener = raw_peers.listen()
    listener.close()
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, listener.port))
        for host in ("224.0.0.1", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: addresses)
    line, _ = error_of_headers(f"http://example.org:{listener.port}/")
    assert line == (f"refused: nothing listens at example.org:{listener.port}; start the server or check the port")


def test_missing_header_is_reported_after_timeout(raw_peers):
    port = raw_peers.serve(send_nothing).address[1]
    line, _ = error_of_headers(f"http://127.0.0.1:{port}/", timeout=SHORT_TIMEOUT)
    assert line == f"timeout: 127.0.0.1:{port} sent no complete header within 1 s; raise --timeout"


def test_timeout_within_header_prints_lines_received(raw_peers):
    def body(peer):
        peer.send(b"HTTP/1.1 200 OK\r\nServer: slow\r\nX-")
        send_nothing(peer)

    port = raw_peers.serve(body).address[1]
    line, out = error_of_headers(f"http://127.0.0.1:{port}/", timeout=SHORT_TIMEOUT)
    assert line.startswith("timeout: ")
    assert out == "HTTP header> HTTP/1.1 200 OK\nHTTP header> Server: slow\n"


def test_missing_handshake_is_reported_after_timeout(raw_peers):
    port = raw_peers.serve(send_nothing).address[1]
    line, _ = error_of_headers(f"https://127.0.0.1:{port}/", timeout=SHORT_TIMEOUT)
    assert line == (
        f"timeout: no connection and TLS handshake with 127.0.0.1:{port} within 1 s; "
        "check host and port or raise --timeout"
    )


def start_tls_with(context):
    def body(peer):
        # The client closes the connection if it rejects the certificate.
        with contextlib.suppress(OSError):
            peer.start_tls(context, server_side=True)
            peer.receive_rest()

    return body


def context_with_certificate(authority, *names, **validity):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context


def test_untrusted_certificate_is_reported(raw_peers, tls):
    port = raw_peers.serve(start_tls_with(tls.server_context)).address[1]
    line, _ = error_of_headers(f"https://localhost:{port}/")
    assert line.startswith(f"certificate not trusted: localhost:{port} (")
    assert line.endswith("); pass the certificate of its authority with --cafile FILE")


def test_certificate_of_other_authority_is_reported(raw_peers, tls):
    port = raw_peers.serve(start_tls_with(context_with_certificate(trustme.CA(), "localhost"))).address[1]
    line, _ = error_of_headers(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line.startswith(f"certificate not trusted: localhost:{port} (")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_certificate_for_other_host_is_reported(raw_peers, tls, host):
    port = raw_peers.serve(start_tls_with(context_with_certificate(tls.authority, "example.org"))).address[1]
    line, _ = error_of_headers(f"https://{host}:{port}/", "--cafile", tls.ca_file)
    assert line.startswith(f"host name mismatch: the certificate of {host}:{port} is not for {host!r} (")


def test_expired_certificate_is_reported(raw_peers, tls):
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    port = raw_peers.serve(
        start_tls_with(context_with_certificate(tls.authority, "localhost", not_after=past))
    ).address[1]
    line, _ = error_of_headers(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line == (f"certificate expired: localhost:{port} must renew its certificate; check this machine's clock too")


def test_certificate_not_yet_valid_is_reported(raw_peers, tls):
    future = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    context = context_with_certificate(
        tls.authority, "localhost", not_before=future, not_after=future + datetime.timedelta(days=30)
    )
    port = raw_peers.serve(start_tls_with(context)).address[1]
    line, _ = error_of_headers(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line == f"certificate not yet valid: localhost:{port}; check this machine's clock"


def test_missing_client_certificate_is_reported(raw_peers, tls):
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in which the server rejects within the handshake
    port = raw_peers.serve(start_tls_with(context)).address[1]
    line, _ = error_of_headers(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line.startswith(f"TLS failed: localhost:{port}: ")


def test_https_to_plaintext_port_is_reported(raw_peers):
    def body(peer):
        with contextlib.suppress(OSError):
            peer.receive(5)
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.receive_rest()

    port = raw_peers.serve(body).address[1]
    line, _ = error_of_headers(f"https://127.0.0.1:{port}/")
    assert line == (f"not TLS: 127.0.0.1:{port} does not speak TLS; use http:// instead of https://, or check the port")


@pytest.mark.parametrize("method", ["half_close", "reset"])
def test_connection_closed_within_handshake_is_reported(raw_peers, method):
    def body(peer):
        with contextlib.suppress(OSError):
            peer.receive(5)
            getattr(peer, method)()
            peer.receive_rest()

    port = raw_peers.serve(body).address[1]
    line, _ = error_of_headers(f"https://127.0.0.1:{port}/")
    assert line == (
        f"closed early: 127.0.0.1:{port} ended the connection during the TLS handshake; check that it is a TLS port"
    )


def test_http_answered_by_tls_alert_is_reported(raw_peers):
    port = raw_peers.serve(send_after_request(b"\x15\x03\x01\x00\x02\x02\x46")).address[1]
    line, _ = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == f"not HTTP: 127.0.0.1:{port} responds with TLS; use https:// instead of http://"


def test_http_to_tls_server_is_reported(raw_peers, tls):
    port = raw_peers.serve(start_tls_with(tls.server_context)).address[1]
    line, _ = error_of_headers(f"http://127.0.0.1:{port}/")
    # Whether the server sends an alert depends on its OpenSSL.
    assert "https://" in line


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "'SSH-2.0-OpenSSH_9.6'"),
        (b"\x00\x1b[2J\xff\n", r"'\x00\x1b[2J\xff'"),
        (b"no line", "'no line'"),
        (b"z" * 100_000, "'" + "z" * 64 + "'"),
    ],
)
def test_response_that_is_not_http_is_reported(raw_peers, response, shown):
    port = raw_peers.serve(send_after_request(response)).address[1]
    line, out = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == f"not HTTP: 127.0.0.1:{port} responds with {shown}; check the port"
    assert out == ""


@pytest.mark.parametrize(
    ("response", "where", "advice"),
    [
        (b"", "before the status line", "check that it speaks HTTP, or use https:// if this is its TLS port"),
        (b"HTTP/1.", "within the status line", "try again"),
        (b"HTTP/1.1 200 OK\r\nServer: a\r\n", "within the headers", "try again"),
        (b"HTTP/1.1 200 OK\r\nServer: a\r\nX-", "within the headers", "try again"),
    ],
)
def test_connection_closed_within_header_is_reported(raw_peers, response, where, advice):
    port = raw_peers.serve(send_after_request(response)).address[1]
    line, out = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == f"closed early: 127.0.0.1:{port} ended the connection {where}; {advice}"
    assert out == "".join(f"HTTP header> {text.decode()}\n" for text in response.split(b"\r\n")[:-1])


def test_unix_connection_closed_without_response_is_reported(raw_peers, unix_path):
    raw_peers.serve(send_after_request(b""), unix=unix_path)
    line, _ = error_of_headers(f"unix:{unix_path}")
    assert line == f"closed early: {unix_path} ended the connection before the status line; try again"


def test_reset_within_header_prints_lines_received(raw_peers):
    port = raw_peers.serve(send_after_request(b"HTTP/1.1 200 OK\r\n", method="reset")).address[1]
    line, out = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == f"closed early: 127.0.0.1:{port} reset the connection within the headers; try again"
    assert out == "HTTP header> HTTP/1.1 200 OK\n"


def test_reset_before_status_line_is_reported(raw_peers):
    port = raw_peers.serve(send_after_request(method="reset")).address[1]
    line, _ = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == (
        f"closed early: 127.0.0.1:{port} reset the connection before the status line; "
        "check that it speaks HTTP, or use https:// if this is its TLS port"
    )


def send_without_end(*pieces):
    """Return a script that sends the first piece once and the second without end."""

    def body(peer):
        first, second = pieces
        with contextlib.suppress(OSError):
            peer.send(first)
            while True:
                peer.send(second)

    return body


def test_overlong_header_line_is_reported(raw_peers):
    port = raw_peers.serve(send_without_end(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000)).address[1]
    line, out = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == f"response header too long: a line of 127.0.0.1:{port} exceeds 64 KiB; check the port"
    assert out == "HTTP header> HTTP/1.1 200 OK\n"


def test_overlong_header_is_reported(raw_peers):
    port = raw_peers.serve(send_without_end(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000)).address[1]
    line, _ = error_of_headers(f"http://127.0.0.1:{port}/")
    assert line == f"response header too long: the head of 127.0.0.1:{port} exceeds 256 KiB; check the port"


def test_missing_unix_socket_is_reported(unix_path):
    line, _ = error_of_headers(f"unix:{unix_path}")
    assert line == f"no such socket: {unix_path} does not exist; start the server or check the path"


def test_unix_path_of_file_is_reported(unix_path):
    with open(unix_path, "w"):
        pass
    line, _ = error_of_headers(f"unix:{unix_path}")
    assert line == f"not a socket: {unix_path} is another kind of file; check the path"


def test_unix_path_of_directory_is_reported(unix_path):
    line, _ = error_of_headers(f"unix:{os.path.dirname(unix_path)}")
    assert line.startswith("not a socket: ")


def test_unix_socket_without_listener_is_reported(raw_peers, unix_path):
    raw_peers.listen(unix=unix_path).close()
    line, _ = error_of_headers(f"unix:{unix_path}")
    assert line == f"refused: nothing listens at {unix_path}; start the server"


def test_datagram_unix_socket_is_reported(unix_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(unix_path)
        line, _ = error_of_headers(f"unix:{unix_path}")
    assert line == f"not a stream socket: {unix_path} is a datagram socket; check the path"


def test_overlong_unix_path_is_reported():
    path = "/tmp/" + "x" * 200
    line, _ = error_of_headers(f"unix:{path}")
    assert line.startswith(f"path too long: {path} has 205 bytes, the maximum of a Unix socket is ")


def test_unix_socket_without_permission_is_reported(raw_peers, unix_path):
    raw_peers.listen(unix=unix_path)
    os.chmod(unix_path, 0)
    os.chmod(os.path.dirname(unix_path), 0o755)
    # Permissions do not apply to root, so a test run by root changes its user.
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        line, _ = error_of_headers(f"unix:{unix_path}")
    finally:
        if root:
            os.seteuid(0)
    assert line == f"permission denied: {unix_path}; connecting needs write permission for the socket"
