"""``sluiceway headers``: what it requests and prints, and wrong usage."""

import os
import signal
import subprocess
import sys

import pytest

import sluiceway
from cli.command_runner import run_command, single_line, start_command
from support.timeouts import PEER_TIMEOUT, PROCESS_TIMEOUT

HEAD = b"HTTP/1.1 204 No Content\r\nServer: test\r\nX-A: b\r\n\r\n"
PRINTED = "HTTP header> HTTP/1.1 204 No Content\nHTTP header> Server: test\nHTTP header> X-A: b\n"


def receive_request(peer):
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += peer.receive(1)
    return request


def answer(peer):
    request = receive_request(peer)
    peer.send(HEAD)
    peer.receive_rest()
    return request


def expected_request(path, host):
    return (
        f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sluiceway/{sluiceway.__version__}\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode()


def script_result(script):
    return script._result.result(PEER_TIMEOUT)


def test_http_url_prints_headers(raw_peers):
    script = raw_peers.serve(answer)
    port = script.address[1]
    result = run_command("headers", f"http://127.0.0.1:{port}/a?b=c")
    assert (result.exit_code, result.stdout, result.stderr) == (0, PRINTED, "")
    assert script_result(script) == expected_request("/a?b=c", f"127.0.0.1:{port}")


def test_https_url_prints_headers(raw_peers, tls):
    def answer_over_tls(peer):
        peer.start_tls(tls.server_context, server_side=True)
        return answer(peer)

    script = raw_peers.serve(answer_over_tls)
    port = script.address[1]
    result = run_command("headers", "--cafile", tls.ca_file, f"https://localhost:{port}/")
    assert (result.exit_code, result.stdout, result.stderr) == (0, PRINTED, "")
    assert script_result(script) == expected_request("/", f"localhost:{port}")


def test_unix_url_prints_headers(raw_peers, unix_path):
    script = raw_peers.serve(answer, unix=unix_path)
    result = run_command("headers", f"unix:{unix_path}?path=/status&host=example.org")
    assert (result.exit_code, result.stdout, result.stderr) == (0, PRINTED, "")
    assert script_result(script) == expected_request("/status", "example.org")


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_abstract_unix_url_prints_headers(raw_peers):
    name = f"sluiceway-test-{os.getpid()}"
    script = raw_peers.serve(answer, unix=f"\0{name}")
    result = run_command("headers", f"unix:@{name}")
    assert (result.exit_code, result.stdout, result.stderr) == (0, PRINTED, "")
    assert script_result(script) == expected_request("/", "localhost")


def test_several_urls_are_requested_at_once_and_printed_in_order(raw_peers):
    last = raw_peers.serve(lambda peer: (peer.signal("request received"), answer(peer))[1])
    script_of_first = []

    def wait_for_last_request(peer):
        # If the requests were made one after the other, the last would never be made.
        last._from_script["request received"].acquire().result(PEER_TIMEOUT)
        return answer(peer)

    first = raw_peers.serve(wait_for_last_request)
    script_of_first.append(first)
    urls = [f"http://127.0.0.1:{script.address[1]}/" for script in (first, last)]
    result = run_command("headers", *urls)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{urls[0]}\n{PRINTED}{urls[1]}\n{PRINTED}"


def test_one_failed_url_of_several_exits_with_1_and_prints_others(raw_peers, unix_path):
    url = f"http://127.0.0.1:{raw_peers.serve(answer).address[1]}/"
    result = run_command("headers", f"unix:{unix_path}", url)
    assert result.exit_code == 1
    assert result.stdout == f"unix:{unix_path}\n{url}\n{PRINTED}"
    assert single_line(result.stderr).startswith(f"sluiceway: unix:{unix_path}: no such socket")


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org/", "http://example.org:99999/", "http://a/\x01"])
def test_invalid_url_exits_with_2_before_any_request(raw_peers, url):
    listener = raw_peers.listen()
    result = run_command("headers", f"http://127.0.0.1:{listener.port}/", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr).startswith(f"sluiceway: {url!r}: bad URL: ")
    listener.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    "url", ["http://me:secret@example.org/", "http://me:secret@ex\u2100mple.com/", "ftp://me:secret@a/"]
)
def test_password_in_rejected_url_is_not_printed(url):
    result = run_command("headers", url)
    assert result.exit_code == 2
    assert "secret" not in result.output + result.stderr
    assert "//...@" in single_line(result.stderr)


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf"])
def test_invalid_timeout_exits_with_2(timeout):
    result = run_command("headers", f"--timeout={timeout}", "http://127.0.0.1/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr).startswith(f"sluiceway: --timeout {timeout}: ")


def test_missing_url_exits_with_2():
    result = run_command("headers")
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr


def test_missing_cafile_exits_with_2(tmp_path):
    result = run_command("headers", "--cafile", str(tmp_path / "none"), "http://127.0.0.1/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr) == f"sluiceway: --cafile {tmp_path / 'none'}: No such file or directory"


@pytest.mark.parametrize("content", ["", "no certificate\n"])
def test_cafile_without_certificates_exits_with_2(tmp_path, content):
    (tmp_path / "ca.pem").write_text(content)
    result = run_command("headers", "--cafile", str(tmp_path / "ca.pem"), "http://127.0.0.1/")
    assert (result.exit_code, result.stdout) == (2, "")
    path = tmp_path / "ca.pem"
    assert single_line(result.stderr) == f"sluiceway: --cafile {path}: the file contains no certificate in PEM format"


def test_version_option_prints_version_and_implementation():
    result = run_command("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"sluiceway {sluiceway.__version__} ({sluiceway.IMPLEMENTATION}, Python ")


def test_character_outside_output_encoding_is_escaped(raw_peers):
    def answer_in_latin_1(peer):
        receive_request(peer)
        peer.send(b"HTTP/1.1 200 OK\r\nX: caf\xe9\r\n\r\n")
        peer.receive_rest()

    port = raw_peers.serve(answer_in_latin_1).address[1]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1251"}
    program = start_command("headers", f"http://127.0.0.1:{port}/", env=environment)
    out, err = program.communicate(timeout=PROCESS_TIMEOUT)
    assert (program.returncode, out, err) == (0, "HTTP header> HTTP/1.1 200 OK\nHTTP header> X: caf\\xe9\n", "")


def test_closed_output_pipe_exits_with_1_without_message(raw_peers):
    port = raw_peers.serve(answer).address[1]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        program = subprocess.Popen(
            [sys.executable, "-m", "sluiceway", "headers", f"http://127.0.0.1:{port}/"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writing)
    _, err = program.communicate(timeout=PROCESS_TIMEOUT)
    assert (program.returncode, err) == (1, "")


def test_control_c_exits_with_130_without_message(raw_peers):
    listener = raw_peers.listen()
    program = start_command("headers", f"http://127.0.0.1:{listener.port}/")
    peer = listener.accept()
    receive_request(peer)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=PROCESS_TIMEOUT)
    assert (program.returncode, out, err) == (130, "", "")
