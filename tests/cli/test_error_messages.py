"""Every line that ``sluiceway headers`` has for a failure, each provoked by a real socket."""

import contextlib
import datetime
import os
import socket
import ssl
import threading

import pytest
import trustme

from cli.command_runner import run_command, single_line

# Seconds, for the tests whose peer falls silent for ever: enough for what is said before on a busy machine.
SILENCE = "1"


def failure(url, *options, timeout="10"):
    """Run the command for one URL that must fail; return what stands after the URL on standard error."""
    result = run_command("headers", "--timeout", timeout, *options, url)
    assert result.exit_code == 1, result.output
    line = single_line(result.stderr)
    begin = f"sluiceway: {url}: "
    assert line.startswith(begin)
    return line.removeprefix(begin), result.stdout


def saying(*chunks, then="half_close"):
    """A peer that reads the request, says ``chunks`` and ends."""

    def body(peer):
        # Whether the command is still there when it is over with, is its own affair.
        with contextlib.suppress(OSError):
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += peer.receive(1)
            peer.send(*chunks)
            getattr(peer, then)()
            peer.receive_rest()

    return body


def silent(peer):
    with contextlib.suppress(OSError):
        peer.receive_rest()


def test_name_not_found():
    # Longer than a name can be (253 letters), so that no name server is asked.
    host = ".".join(["a" * 60] * 5)
    line, _ = failure(f"http://{host}/")
    assert line.startswith(f"name not found: {host!r} (")
    assert line.endswith("; check the spelling")


def test_name_servers_that_do_not_answer(monkeypatch):
    def unanswered(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unanswered)
    line, _ = failure("http://example.org/")
    assert line == (
        "name not found: the name servers gave no answer for 'example.org' (Temporary failure in name resolution); "
        "check this machine's network and try again"
    )


def test_a_lookup_that_hangs_does_not_outlive_the_timeout(monkeypatch):
    over = threading.Event()
    looking = []

    def hanging(*_arguments, **_options):
        looking.append(threading.current_thread())
        over.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    line, _ = failure("http://example.org/", timeout=SILENCE)
    assert not over.is_set()
    over.set()
    looking[0].join(30)
    assert line == ("timeout: no connection with example.org:80 within 1 s; check host and port or raise --timeout")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_refused(raw_peers, scheme, host):
    listener = raw_peers.listen()
    listener.close()
    line, _ = failure(f"{scheme}://{host}:{listener.port}/")
    assert line == f"refused: nothing listens at {host}:{listener.port}; start the server or check the port"


def test_unreachable():
    # An address of documentation (RFC 5737) would go out to the network; the unspecified port of a multicast group
    # cannot be connected to on any machine.
    line, _ = failure("http://224.0.0.1:9/")
    assert line.startswith("unreachable: 224.0.0.1:9 (")


def test_an_address_that_this_machine_cannot_reach_is_not_blamed_where_another_refuses(raw_peers, monkeypatch):
    listener = raw_peers.listen()
    listener.close()
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, listener.port))
        for host in ("224.0.0.1", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: addresses)
    line, _ = failure(f"http://example.org:{listener.port}/")
    assert line == (f"refused: nothing listens at example.org:{listener.port}; start the server or check the port")


def test_timeout_waiting_for_the_header(raw_peers):
    port = raw_peers.serve(silent).address[1]
    line, _ = failure(f"http://127.0.0.1:{port}/", timeout=SILENCE)
    assert line == f"timeout: 127.0.0.1:{port} sent no complete header within 1 s; raise --timeout"


def test_timeout_within_the_header_shows_what_came(raw_peers):
    def body(peer):
        peer.send(b"HTTP/1.1 200 OK\r\nServer: slow\r\nX-")
        silent(peer)

    port = raw_peers.serve(body).address[1]
    line, out = failure(f"http://127.0.0.1:{port}/", timeout=SILENCE)
    assert line.startswith("timeout: ")
    assert out == "HTTP header> HTTP/1.1 200 OK\nHTTP header> Server: slow\n"


def test_timeout_of_the_handshake(raw_peers):
    port = raw_peers.serve(silent).address[1]
    line, _ = failure(f"https://127.0.0.1:{port}/", timeout=SILENCE)
    assert line == (
        f"timeout: no connection and TLS handshake with 127.0.0.1:{port} within 1 s; "
        "check host and port or raise --timeout"
    )


def shaking_hands(context):
    def body(peer):
        # The client leaves in the middle when it does not like the certificate.
        with contextlib.suppress(OSError):
            peer.start_tls(context, server_side=True)
            peer.receive_rest()

    return body


def presenting(authority, *names, **validity):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context


def test_certificate_not_trusted(raw_peers, tls):
    port = raw_peers.serve(shaking_hands(tls.server_context)).address[1]
    line, _ = failure(f"https://localhost:{port}/")
    assert line.startswith(f"certificate not trusted: localhost:{port} (")
    assert line.endswith("); name the authority that signed it with --cafile FILE")


def test_certificate_of_another_authority(raw_peers, tls):
    port = raw_peers.serve(shaking_hands(presenting(trustme.CA(), "localhost"))).address[1]
    line, _ = failure(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line.startswith(f"certificate not trusted: localhost:{port} (")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_host_name_mismatch(raw_peers, tls, host):
    port = raw_peers.serve(shaking_hands(presenting(tls.authority, "example.org"))).address[1]
    line, _ = failure(f"https://{host}:{port}/", "--cafile", tls.ca_file)
    assert line.startswith(f"host name mismatch: the certificate of {host}:{port} is not for {host!r} (")


def test_certificate_expired(raw_peers, tls):
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    port = raw_peers.serve(shaking_hands(presenting(tls.authority, "localhost", not_after=past))).address[1]
    line, _ = failure(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line == (f"certificate expired: localhost:{port} must renew its certificate; check this machine's clock too")


def test_certificate_not_yet_valid(raw_peers, tls):
    future = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    context = presenting(tls.authority, "localhost", not_before=future, not_after=future + datetime.timedelta(days=30))
    port = raw_peers.serve(shaking_hands(context)).address[1]
    line, _ = failure(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line == f"certificate not yet valid: at localhost:{port}; check this machine's clock"


def test_a_server_that_wants_a_certificate_of_ours(raw_peers, tls):
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # which refuses within the handshake
    port = raw_peers.serve(shaking_hands(context)).address[1]
    line, _ = failure(f"https://localhost:{port}/", "--cafile", tls.ca_file)
    assert line.startswith(f"TLS failed: localhost:{port}: ")


def test_tls_to_a_plaintext_port(raw_peers):
    def body(peer):
        with contextlib.suppress(OSError):
            peer.receive(5)
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.receive_rest()

    port = raw_peers.serve(body).address[1]
    line, _ = failure(f"https://127.0.0.1:{port}/")
    assert line == (f"not TLS: 127.0.0.1:{port} does not speak TLS; use http:// instead of https://, or check the port")


@pytest.mark.parametrize("ending", ["half_close", "reset"])
def test_closed_within_the_handshake(raw_peers, ending):
    def body(peer):
        with contextlib.suppress(OSError):
            peer.receive(5)
            getattr(peer, ending)()
            peer.receive_rest()

    port = raw_peers.serve(body).address[1]
    line, _ = failure(f"https://127.0.0.1:{port}/")
    assert line == (
        f"closed early: 127.0.0.1:{port} ended the connection during the TLS handshake; check that it is a TLS port"
    )


def test_plaintext_to_a_tls_port(raw_peers):
    port = raw_peers.serve(saying(b"\x15\x03\x01\x00\x02\x02\x46")).address[1]
    line, _ = failure(f"http://127.0.0.1:{port}/")
    assert line == f"not HTTP: 127.0.0.1:{port} answers in TLS; use https:// instead of http://"


def test_plaintext_to_a_real_tls_server(raw_peers, tls):
    port = raw_peers.serve(shaking_hands(tls.server_context)).address[1]
    line, _ = failure(f"http://127.0.0.1:{port}/")
    # With or without an alert: that depends on the server's OpenSSL.
    assert "https://" in line


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "'SSH-2.0-OpenSSH_9.6'"),
        (b"\x00\x1b[2J\xff\n", r"'\x00\x1b[2J\xff'"),
        (b"no line", "'no line'"),
        (b"z" * 100_000, "'" + "z" * 64 + "'"),
    ],
)
def test_not_http(raw_peers, said, shown):
    port = raw_peers.serve(saying(said)).address[1]
    line, out = failure(f"http://127.0.0.1:{port}/")
    assert line == f"not HTTP: 127.0.0.1:{port} answers with {shown}; check the port"
    assert out == ""


@pytest.mark.parametrize(
    ("said", "where", "advice"),
    [
        (b"", "before the first byte", "check that it speaks HTTP, or use https:// if this is its TLS port"),
        (b"HTTP/1.", "within the status line", "try again"),
        (b"HTTP/1.1 200 OK\r\nServer: a\r\n", "within the headers", "try again"),
        (b"HTTP/1.1 200 OK\r\nServer: a\r\nX-", "within the headers", "try again"),
    ],
)
def test_closed_early(raw_peers, said, where, advice):
    port = raw_peers.serve(saying(said)).address[1]
    line, out = failure(f"http://127.0.0.1:{port}/")
    assert line == f"closed early: 127.0.0.1:{port} ended the connection {where}; {advice}"
    assert out == "".join(f"HTTP header> {text.decode()}\n" for text in said.split(b"\r\n")[:-1])


def test_closed_early_over_a_unix_socket(raw_peers, unix_path):
    raw_peers.serve(saying(b""), unix=unix_path)
    line, _ = failure(f"unix:{unix_path}")
    assert line == f"closed early: {unix_path} ended the connection before the first byte; try again"


def test_reset_shows_what_came_before(raw_peers):
    port = raw_peers.serve(saying(b"HTTP/1.1 200 OK\r\n", then="reset")).address[1]
    line, out = failure(f"http://127.0.0.1:{port}/")
    assert line == f"closed early: 127.0.0.1:{port} reset the connection within the headers; try again"
    assert out == "HTTP header> HTTP/1.1 200 OK\n"


def test_reset_before_the_status_line(raw_peers):
    port = raw_peers.serve(saying(then="reset")).address[1]
    line, _ = failure(f"http://127.0.0.1:{port}/")
    assert line == (
        f"closed early: 127.0.0.1:{port} reset the connection before its status line; "
        "check that it speaks HTTP, or use https:// if this is its TLS port"
    )


def endless(*pieces):
    """A peer that says the first piece once and the second for ever."""

    def body(peer):
        first, second = pieces
        with contextlib.suppress(OSError):
            peer.send(first)
            while True:
                peer.send(second)

    return body


def test_header_line_too_long(raw_peers):
    port = raw_peers.serve(endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000)).address[1]
    line, out = failure(f"http://127.0.0.1:{port}/")
    assert line == (f"response header too long: a line passes 64 KiB; ask whoever runs 127.0.0.1:{port} why")
    assert out == "HTTP header> HTTP/1.1 200 OK\n"


def test_header_of_too_many_lines(raw_peers):
    port = raw_peers.serve(endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000)).address[1]
    line, _ = failure(f"http://127.0.0.1:{port}/")
    assert line == (f"response header too long: the head passes 256 KiB; ask whoever runs 127.0.0.1:{port} why")


def test_unix_socket_missing(unix_path):
    line, _ = failure(f"unix:{unix_path}")
    assert line == f"no such socket: {unix_path} does not exist; start the server or check the path"


def test_unix_path_that_is_a_file(unix_path):
    with open(unix_path, "w"):
        pass
    line, _ = failure(f"unix:{unix_path}")
    assert line == f"not a socket: {unix_path} is something else; check the path"


def test_unix_path_that_is_a_directory(unix_path):
    line, _ = failure(f"unix:{os.path.dirname(unix_path)}")
    assert line.startswith("not a socket: ")


def test_unix_socket_that_nobody_listens_at(raw_peers, unix_path):
    raw_peers.listen(unix=unix_path).close()
    line, _ = failure(f"unix:{unix_path}")
    assert line == f"refused: nothing listens at {unix_path}; start the server"


def test_unix_socket_of_datagrams(unix_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(unix_path)
        line, _ = failure(f"unix:{unix_path}")
    assert line == f"not a stream socket: {unix_path} takes datagrams; check the path"


def test_unix_path_too_long():
    path = "/tmp/" + "x" * 200
    line, _ = failure(f"unix:{path}")
    assert line.startswith(f"path too long: {path} has 205 bytes, a Unix socket's path has at most ")


def test_unix_socket_that_may_not_be_used(raw_peers, unix_path):
    raw_peers.listen(unix=unix_path)
    os.chmod(unix_path, 0)
    os.chmod(os.path.dirname(unix_path), 0o755)
    # Root may do anything; whoever runs the tests as root is somebody else for this one.
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        line, _ = failure(f"unix:{unix_path}")
    finally:
        if root:
            os.seteuid(0)
    assert line == f"permission denied: {unix_path}; connecting takes the right to write to the socket"
