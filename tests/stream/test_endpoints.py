"""L7: what an address of connect() names, and the error of a malformed one."""

import os
import pathlib
import re
import socket
from typing import Any

import pytest

from sluiceway.stream.endpoint import SocketEndpoint, TCPEndpoint, UnixEndpoint, parse_endpoint, parse_local


@pytest.mark.parametrize(
    ("address", "host", "port", "tls"),
    [
        ("tcp://example.com:80", "example.com", 80, False),
        ("tls://example.com:443", "example.com", 443, True),
        ("example.com:65535", "example.com", 65535, None),
        ("192.0.2.7:1", "192.0.2.7", 1, None),
        ("[2001:db8::7]:443", "2001:db8::7", 443, None),
        ("tls://[fe80::1%eth0]:443", "fe80::1%eth0", 443, True),
        ("bücher.example:80", "bücher.example", 80, None),
        ("TLS://Example.com:443", "Example.com", 443, True),
        ("1.example:80", "1.example", 80, None),
        ("example.com.:80", "example.com.", 80, None),
        ("_service.example:80", "_service.example", 80, None),
        ("example.com:" + "0" * 5000 + "80", "example.com", 80, None),
    ],
)
def test_tcp_address_names_host_port_and_tls(address: str, host: str, port: int, tls: bool | None) -> None:
    assert parse_endpoint(address) == TCPEndpoint(address, host, port, tls)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("unix:/run/app.sock", "/run/app.sock"),
        ("unix:///run/app.sock", "/run/app.sock"),
        ("unix:app.sock", "app.sock"),
        ("UNIX:app.sock", "app.sock"),
        ("unix:/run/with space:80?#", "/run/with space:80?#"),
        ("unix:@abstract", "\0abstract"),
    ],
)
def test_unix_address_names_path(address: str, path: str) -> None:
    assert parse_endpoint(address) == UnixEndpoint(address, path)


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("", "has no host"),
        ("localhost", "has no port"),
        ("tls://example.com", "has no port"),
        ("[::1]", "has no port"),
        ("tcp://:80", "has no host"),
        ("tcp://", "has no host"),
        ("::1:80", "IPv6 address without brackets"),
        ("tcp://2001:db8::7:443", "IPv6 address without brackets"),
        ("[::1", "a bracket that is not closed"),
        ("[::1]80", "no colon between the closing bracket and the port"),
        ("[localhost]:80", "no IPv6 address in its brackets: 'localhost'"),
        ("[127.0.0.1]:80", "no IPv6 address in its brackets"),
        ("[fe80::1%]:80", "empty zone id"),
        ("[fe80::1%lo\0x]:80", r"no valid zone id: 'lo\x00x'"),
        ("http://example.com:80", "the unknown scheme 'http'"),
        ("tcp:/example.com:80", "no slashes after its scheme"),
        ("tls:example.com:443", "no slashes after its scheme"),
        ("example.com:80/", "a path or query"),
        ("/run/app.sock", 'is a path; write "unix:" before it'),
        ("./app.sock", "is a path"),
        ("../app.sock:80", "is a path"),
        ("//example.com:80", "is a path"),
        ("tls://example.com:443/index?x", "a path or query"),
        ("user@example.com:80", "a user name"),
        ("a..b:80", "has no valid host: "),
        ("a" * 64 + ":80", "has no valid host: "),
        ("exam ple.com:80", "a host name contains no white space"),
        ("example.com:", "the port ''"),
        ("example.com:0", "the port '0'"),
        ("example.com:65536", "the port '65536'"),
        ("example.com:99999999999999999999", "the port '99999999999999999999'"),
        ("example.com:0000070000", "the port '0000070000'"),
        ("example.com:0000000", "the port '0000000'"),
        ("example.com:-1", "the port '-1'"),
        ("example.com:+80", r"the port '+80'"),
        ("example.com:8_0", "the port '8_0'"),
        ("example.com:²", "the port '²'"),
        ("example.com:https", "the port 'https'"),
        ("unix:", "has no path"),
        ("unix:@", "has no path"),
        ("unix://host/path", "a host before its path"),
        ("unix:/a\0b", "a NUL byte"),
        ("unix:/\ud800", "has no valid path: "),
        ("TLS:example.com:443", "no slashes after its scheme"),
        ("tcp://999:80", "'999' is not an IPv4 address, which has four decimal numbers from 0 to 255"),
        ("1.2.3.256:80", "'1.2.3.256' is not an IPv4 address"),
        ("127.1:80", "'127.1' is not an IPv4 address"),
        ("127.0.0.01:80", "'127.0.0.01' is not an IPv4 address"),
        ("0x7f.0.0.0X1:80", "'0x7f.0.0.0X1' is not an IPv4 address"),
        ("1.1.1.1.:80", "'1.1.1.1.' is not an IPv4 address"),
        ("localhost\0:80", r"'localhost\x00' contains a character that no name has"),
        ("127.0.0.1%lo:80", "'127.0.0.1%lo' contains a character that no name has"),
        ("\ud800:80", "has no valid host: "),
    ],
)
def test_malformed_address_raises_error_with_value_and_accepted_forms(address: str, fault: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_endpoint(address)
    message = str(raised.value)
    assert message.startswith(f"address {address!r} ")
    assert fault in message
    assert "accepted are" in message
    assert "\n" not in message


@pytest.mark.parametrize("address", [None, b"localhost:80", ("localhost", 80), 1.5, True, pathlib.Path("a.sock")])
def test_address_of_wrong_type_raises_type_error(address: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(repr(address))) as raised:
        parse_endpoint(address)
    assert "accepted are" in str(raised.value)


@pytest.mark.parametrize("as_descriptor", [False, True])
def test_socket_or_descriptor_is_endpoint_of_that_socket(as_descriptor: bool) -> None:
    first, second = socket.socketpair()
    with second, first:
        endpoint = parse_endpoint(first.fileno() if as_descriptor else first)
        assert isinstance(endpoint, SocketEndpoint)
        taken = endpoint.take()
        taken.send(b"x")
        assert second.recv(1) == b"x"
        if as_descriptor:
            taken.detach()


def test_closed_socket_raises_value_error() -> None:
    sock = socket.socket()
    sock.close()
    with pytest.raises(ValueError, match="is a closed socket"):
        parse_endpoint(sock)


def test_descriptor_of_pipe_raises_value_error_that_names_pipe_function() -> None:
    ends = os.pipe()
    try:
        with pytest.raises(ValueError, match=rf"address {ends[0]} .*sluiceway\.pipe\(\)"):
            parse_endpoint(ends[0])
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("descriptor", [-1, 1 << 20, 1 << 70])
def test_descriptor_that_is_not_open_raises_value_error(descriptor: int) -> None:
    with pytest.raises(ValueError, match=f"address {descriptor} is not an open descriptor"):
        parse_endpoint(descriptor)


@pytest.mark.parametrize("as_descriptor", [False, True])
@pytest.mark.parametrize("listening", [False, True])
def test_socket_that_is_not_connected_raises_value_error(listening: bool, as_descriptor: bool) -> None:
    with socket.socket() as sock:
        if listening:
            sock.listen()
        with pytest.raises(ValueError, match="is a socket that is not connected"):
            parse_endpoint(sock.fileno() if as_descriptor else sock)
        assert sock.fileno() >= 0


def test_datagram_socket_raises_value_error() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for address in (sock, sock.fileno()):
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                parse_endpoint(address)
        assert sock.fileno() >= 0


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("192.0.2.7", ("192.0.2.7", 0)),
        ("192.0.2.7:0", ("192.0.2.7", 0)),
        ("localhost:5000", ("localhost", 5000)),
        ("[::1]", ("::1", 0)),
        ("[::1]:5000", ("::1", 5000)),
    ],
)
def test_local_address_has_optional_port(local: str, expected: tuple[str, int]) -> None:
    assert parse_local(local) == expected


@pytest.mark.parametrize("local", ["", "::1", ":80", "a:b", "tcp://127.0.0.1:0", "127.0.0.1:000065536"])
def test_malformed_local_address_raises_value_error(local: str) -> None:
    with pytest.raises(ValueError, match="accepted are") as raised:
        parse_local(local)
    assert repr(local) in str(raised.value)


@pytest.mark.parametrize("local", [80, ("127.0.0.1", 0), b"127.0.0.1"])
def test_local_address_of_wrong_type_raises_type_error(local: Any) -> None:
    with pytest.raises(TypeError, match="local argument must be a str or None"):
        parse_local(local)


def test_scheme_may_have_upper_case_letters() -> None:
    assert parse_endpoint("TLS://example.com:443") == TCPEndpoint("TLS://example.com:443", "example.com", 443, True)
