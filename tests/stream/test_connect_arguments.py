"""L7, D1, T1: an invalid argument of connect() raises an error at the call that names it and what is accepted."""

import re
import socket
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates


async def coroutine_function(*_: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("address", "options", "error", "message"),
    [
        ("localhost", {}, ValueError, "address 'localhost' has no port"),
        ("a:1", {"tls": "yes"}, TypeError, "tls argument must be an ssl.SSLContext, a bool or None, not 'str': 'yes'"),
        ("tcp://a:1", {"tls": True}, ValueError, "of the address 'tcp://a:1'; leave out tls=, or pass 'tls://a:1'"),
        ("tls://a:1", {"tls": False}, ValueError, "of the address 'tls://a:1'; leave out tls=, or pass 'tcp://a:1'"),
        ("unix:a", {"tls": True}, ValueError, "tls for 'unix:a' needs server_hostname"),
        ("a:1", {"server_hostname": "a"}, ValueError, "server_hostname is only meaningful with tls"),
        ("tls://a:1", {"server_hostname": "b:1"}, ValueError, "server_hostname 'b:1' is not a valid host name"),
        ("a:1", {"timeout": 0}, ValueError, "timeout argument must be greater than 0, not 0"),
        ("a:1", {"timeout": 10**400}, ValueError, "timeout argument must be a number of seconds that a float can hold"),
        ("a:1", {"timeout": float("nan")}, ValueError, "timeout argument must be greater than 0, not nan"),
        ("a:1", {"timeout": "5"}, TypeError, "timeout argument must be a number of seconds or None, not 'str': '5'"),
        ("a:1", {"local": "::1"}, ValueError, "local '::1' has an IPv6 address without brackets"),
        ("a:1", {"local": "127.0.0.1\0"}, ValueError, r"local '127.0.0.1\x00' has no valid host: "),
        ("a:1", {"local": "999.1.1.1"}, ValueError, "local '999.1.1.1' has no valid host: '999.1.1.1' is not an IPv4"),
        ("unix:a", {"local": "b"}, ValueError, "local is only meaningful with a host and a port, not with a Unix"),
        ("unix:a", {"resolver": coroutine_function}, ValueError, "resolver is only meaningful with a host and a port"),
        ("a:1", {"resolver": 5}, TypeError, "resolver argument must be a coroutine function or None, not 'int'"),
        ("a:1", {"configure_socket": coroutine_function}, TypeError, "is no coroutine function, not <function"),
        ("a:1", {"configure_socket": 5}, TypeError, "configure_socket argument must be None or a callable"),
        ("a:1", {"keepalive": True}, TypeError, "keepalive argument must not be True; accepted is a tuple of three"),
        ("a:1", {"keepalive": (60, 10)}, TypeError, "keepalive argument must not be (60, 10); accepted is"),
        ("a:1", {"keepalive": (60, 0.5, 3)}, TypeError, "keepalive argument must not be (60, 0.5, 3); accepted is"),
        ("a:1", {"keepalive": (60, 10, 0)}, ValueError, "keepalive argument must not be (60, 10, 0); accepted is"),
        ("a:1", {"keepalive": (60, 10, 128)}, ValueError, "keepalive argument must not be (60, 10, 128); accepted is"),
        ("unix:a", {"keepalive": (60, 10, 3)}, ValueError, "keepalive is only meaningful for TCP"),
        ("tls://a:1", {"session": b""}, TypeError, "session argument must be an ssl.SSLSession or None, not 'bytes'"),
        ("a:1", {"limit": 0}, ValueError, "Limit cannot be <= 0: 0 was given"),
    ],
)
def test_invalid_argument_raises_error_that_names_it(
    address: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        sluiceway.connect(address, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("a", 80), {}, "connect() accepts one address, not 2 arguments: pass 'a:80'"),
        (("::1", 80), {}, "connect() accepts one address, not 2 arguments: pass '[::1]:80'"),
        (("tcp://a:80", 5), {}, "connect() accepts one address, not 2 arguments: pass the others by keyword, such as"),
        ((), {"host": "a", "port": 80}, "connect() has no argument 'host': pass one address, \"host:port\""),
        (("a:1",), {"ssl": True}, "connect() has no argument 'ssl': pass tls="),
        (("a:1",), {"local_addr": ("b", 0)}, "connect() has no argument 'local_addr': pass local=\"host:port\""),
        ((), {"sock": None}, "connect() has no argument 'sock': pass the socket as the address"),
        (("a:1",), {"ssl_handshake_timeout": 5}, "connect() has no argument 'ssl_handshake_timeout': pass timeout="),
        (("a:1",), {"strict_eof": True}, "connect() has no argument 'strict_eof': pass it to open_connection()"),
        (("a:1",), {"colour": 5}, "connect() got an unexpected keyword argument 'colour'"),
        ((), {}, "connect() missing 1 required positional argument: 'address'"),
    ],
)
def test_arguments_of_open_connection_raise_type_error_with_what_to_pass(
    arguments: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        sluiceway.connect(*arguments, **options)


def test_server_context_raises_value_error() -> None:
    with pytest.raises(ValueError, match=r"tls argument must be a client context"):
        sluiceway.connect("a:1", tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


@pytest.mark.parametrize("as_descriptor", [False, True])
def test_option_that_given_socket_cannot_have_raises_value_error(as_descriptor: bool, tls: Certificates) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        address = ours.fileno() if as_descriptor else ours
        for name, value in {
            "configure_socket": print,
            "local": "127.0.0.1",
            "resolver": coroutine_function,
            "keepalive": (60, 10, 3),
            "tls": tls.client_context,
        }.items():
            with pytest.raises(ValueError, match=name):
                sluiceway.connect(address, **{name: value})  # type: ignore[arg-type]
        ours.send(b"x")
        assert theirs.recv(1) == b"x"
