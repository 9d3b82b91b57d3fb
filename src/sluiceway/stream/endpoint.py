"""Endpoints: what an address of ``connect()`` names, parsed and checked before anything is opened."""

from __future__ import annotations

import dataclasses
import os
import socket
import stat
from typing import Any, TypeAlias

from .._asyncio.argument_checks import check_stream_socket
from .._net.addresses import host_hint, peer_of

_ACCEPTED = (
    'accepted are "tcp://host:port", "tls://host:port", "unix:path", "host:port" with an IPv6 address in brackets, '
    "a connected socket, and the descriptor of one"
)
_LOCAL_ACCEPTED = 'accepted are "host", "host:port", "[address]" and "[address]:port" with an IPv6 address in brackets'


@dataclasses.dataclass(frozen=True, slots=True)
class TCPEndpoint:
    """A host and a port. ``tls``: True for "tls://", False for "tcp://", None without a scheme."""

    text: str
    host: str
    port: int
    tls: bool | None


@dataclasses.dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """The path of a Unix socket; a leading NUL marks an abstract name."""

    text: str
    path: str


@dataclasses.dataclass(frozen=True, slots=True)
class SocketEndpoint:
    """A connected socket that the program passed, or the descriptor of one."""

    text: str
    given: socket.socket | int

    def is_tcp(self) -> bool:
        """Return True for a TCP socket."""
        if isinstance(self.given, socket.socket):
            return self.given.family in (socket.AF_INET, socket.AF_INET6)
        borrowed = socket.socket(fileno=self.given)
        try:
            return borrowed.family in (socket.AF_INET, socket.AF_INET6)
        finally:
            borrowed.detach()

    def take(self) -> socket.socket:
        """Return the socket. If the program passed a descriptor, return a new socket that owns the descriptor."""
        return socket.socket(fileno=self.given) if isinstance(self.given, int) else self.given


Endpoint: TypeAlias = TCPEndpoint | UnixEndpoint | SocketEndpoint


def parse_endpoint(address: Any) -> Endpoint:
    """Return what ``address`` names.

    Raises:
        ValueError: ``address`` is malformed, or is not a connected stream socket or the descriptor of one.
        TypeError: ``address`` is an ssl.SSLSocket, or neither a str, an int nor a socket.socket.
    """
    if isinstance(address, str):
        return _parse_text(address)
    if isinstance(address, int) and not isinstance(address, bool):
        return _parse_descriptor(address)
    if isinstance(address, socket.socket):
        check_stream_socket(address)
        if address.fileno() < 0:
            raise ValueError(f"address {address!r} is a closed socket; {_ACCEPTED}")
        _check_connected(address, repr(address))
        return SocketEndpoint(peer_of(address), address)
    raise TypeError(f"address argument must not be {type(address).__name__!r}: {address!r}; {_ACCEPTED}")


def parse_local(local: Any) -> tuple[str, int]:
    """Return host and port of ``local``, the address to bind to; port 0 lets the kernel choose.

    Raises:
        ValueError: ``local`` is malformed.
        TypeError: ``local`` is not a str.
    """
    if not isinstance(local, str):
        raise TypeError(f"local argument must be a str or None, not {type(local).__name__!r}: {local!r}")
    try:
        host, port = _split(local)
        return host, 0 if port is None else _port(port, lowest=0)
    except ValueError as error:
        raise ValueError(f"local {local!r} {error}; {_LOCAL_ACCEPTED}") from None


def _parse_text(address: str) -> Endpoint:
    try:
        # Schemes are case-insensitive (RFC 3986, section 3.1).
        if address[:5].lower() == "unix:":
            return UnixEndpoint(address, _unix_path(address[5:]))
        scheme, separator, rest = address.partition("://")
        scheme = scheme.lower()
        if separator and scheme not in ("tcp", "tls"):
            raise ValueError(f"has the unknown scheme {scheme!r}")
        if address.startswith(("/", "./", "../")):
            raise ValueError('is a path; write "unix:" before it')
        if not separator and scheme.startswith(("tcp:", "tls:")) and address.count(":") > 1:
            raise ValueError("has no slashes after its scheme")
        host, port = _split(rest if separator else address)
        if port is None:
            raise ValueError("has no port")
        return TCPEndpoint(address, host, _port(port, lowest=1), scheme == "tls" if separator else None)
    except ValueError as error:
        raise ValueError(f"address {address!r} {error}; {_ACCEPTED}") from None


def _unix_path(path: str) -> str:
    if path.startswith("//"):
        # A URL: the part between the slashes would be a host.
        path = path[2:]
        if not path.startswith("/"):
            raise ValueError('has a host before its path; write "unix:" and the path')
    if path.startswith("@"):
        path = "\0" + path[1:]
    if not path.strip("\0"):
        raise ValueError("has no path")
    if "\0" in path[1:]:
        raise ValueError("has a NUL byte in its path")
    try:
        os.fsencode(path)
    except UnicodeError as error:
        raise ValueError(f"has no valid path: {error}") from None
    return path


def _split(text: str) -> tuple[str, str | None]:
    """Return the host and the port of "host:port"; None for the port if there is none.

    Raise ValueError whose message is the end of a sentence about ``text``, such as "has no host".
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise ValueError("has a bracket that is not closed before the port")
        if rest and not rest.startswith(":"):
            raise ValueError("has no colon between the closing bracket and the port")
        _check_ipv6(host)
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        raise ValueError("has an IPv6 address without brackets")
    host, colon, port = text.partition(":")
    if not host:
        raise ValueError("has no host")
    if "@" in host:
        raise ValueError("has a user name")
    if "/" in text or "?" in text or "#" in text:
        raise ValueError("has a path or query")
    fault = host_hint(host) or name_fault(host)
    if fault is not None:
        raise ValueError(f"has no valid host: {fault}")
    return host, port if colon else None


def name_fault(host: str) -> str | None:
    """Return why ``host`` can be neither a host name nor an IPv4 address. Return None if it can be one of them."""
    try:
        name = host.encode("idna").decode()
    except UnicodeError as error:
        return str(error)
    if "%" in name or not name.isprintable():
        return f"{host!r} contains a character that no name has"
    last = name.rstrip(".").rpartition(".")[2].lower()
    if last.isdecimal() or (last.startswith("0x") and set(last[2:]) <= set("0123456789abcdef")):
        # The resolver would convert "999" to 0.0.3.231, and "0x7f.1" to 127.0.0.1. No top-level domain is a number.
        try:
            socket.inet_pton(socket.AF_INET, name)
        except OSError:
            return f"{host!r} is not an IPv4 address, which has four decimal numbers from 0 to 255"
    return None


def _check_ipv6(host: str) -> None:
    address, percent, zone = host.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (OSError, UnicodeError):
        raise ValueError(f"has no IPv6 address in its brackets: {host!r}") from None
    if percent and not zone:
        raise ValueError("has an empty zone id")
    if not zone.isprintable():
        raise ValueError(f"has no valid zone id: {zone!r}")


def _port(text: str, *, lowest: int) -> int:
    # int() would accept signs, spaces and underscores, and refuse thousands of digits with another message.
    digits = text.lstrip("0")[:6] or "0"
    if not text or not text.isascii() or not text.isdecimal() or not lowest <= int(digits) <= 65535:
        raise ValueError(f"has the port {text!r}, which is not a number from {lowest} to 65535")
    return int(digits)


def _parse_descriptor(descriptor: int) -> SocketEndpoint:
    try:
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except (OSError, OverflowError) as error:
        raise ValueError(f"address {descriptor} is not an open descriptor ({error}); {_ACCEPTED}") from None
    if not is_socket:
        raise ValueError(f"address {descriptor} is not the descriptor of a socket; sluiceway.pipe() opens pipes")
    borrowed = socket.socket(fileno=descriptor)
    try:
        check_stream_socket(borrowed)
        _check_connected(borrowed, str(descriptor))
        return SocketEndpoint(f"descriptor {descriptor}", descriptor)
    finally:
        borrowed.detach()


def _check_connected(sock: socket.socket, name: str) -> None:
    try:
        sock.getpeername()
    except OSError as error:
        raise ValueError(f"address {name} is a socket that is not connected ({error.strerror}); {_ACCEPTED}") from None
