"""Parse a URL of the command line: the address to connect to, and the request."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from sluiceway.stream.endpoint import name_fault

_DEFAULT_PORTS = {"http": 80, "https": 443}
# The characters that RFC 3986 allows in a path and a query, and "%", which keeps existing escapes.
_SAFE_IN_TARGET = "/:@!$&'()*+,;=-._~%?"
_HOST_HEADER = re.compile(r"[A-Za-z0-9._~:\[\]-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadURLError(ValueError):
    """Raised for a URL that is not supported. The message has the reason and what is accepted, but not the URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL.

    Attributes:
        url: the URL as the user has given it.
        host: the host name, in ASCII, or the address to connect to, without brackets; empty for a Unix socket.
        port: the TCP port; 0 for a Unix socket.
        tls: True for https.
        unix_path: the path of the Unix socket, with a leading NUL for an abstract name; None for TCP.
        host_header: the value of the request's Host header.
        request_target: the path and query of the request line, ASCII only.
    """

    url: str
    host: str
    port: int
    tls: bool
    unix_path: str | None
    host_header: str
    request_target: str

    @property
    def peer(self) -> str:
        """The address as text, for messages: "host:port", "[v6]:port", a path, or "@name"."""
        if self.unix_path is not None:
            return self.unix_path.replace("\0", "@", 1)
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> Target:
    """Parse a URL.

    Args:
        url: ``http://host[:port][/path][?query]``, the same with ``https``, or
            ``unix:/path/to.sock[?path=/x][&host=name]`` (``unix:@name`` for an abstract name).

    Raises:
        BadURLError: the scheme is missing or not supported, the host or the path of the Unix socket is missing or not
            valid, the port is not in the range 1 to 65535, a unix parameter is unknown or not valid, or the URL
            contains a user name, a password or control characters.
    """
    if _CONTROL.search(url):
        raise BadURLError("it contains control characters; percent-encode them")
    try:
        parts = urlsplit(url)
    except ValueError:
        # The text of the error may contain a password.
        if "[" in url or "]" in url:
            reason = "invalid use of brackets; they enclose an IPv6 address, as in http://[::1]:8080/"
        else:
            reason = "the host name contains invalid characters; use letters, digits, hyphens and dots"
        raise BadURLError(reason) from None
    if parts.scheme == "unix":
        return _unix(url, parts)
    # "localhost:8080" is parsed as the scheme "localhost", so the slashes are checked as well.
    if parts.scheme in _DEFAULT_PORTS and "://" in url:
        return _internet(url, parts)
    if "://" in url:
        raise BadURLError(f"scheme {parts.scheme!r} is not supported; use http://, https:// or unix:")
    raise BadURLError("no scheme; use http://, https:// or unix:, as in http://example.org/")


def _internet(url: str, parts: SplitResult) -> Target:
    if "@" in parts.netloc:
        raise BadURLError("user names and passwords are not supported; remove 'user:password@' from the URL")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    if not 0 < port < 65536:
        raise BadURLError(f"bad port in {parts.netloc!r}; a port is a number from 1 to 65535")
    host = parts.hostname
    if not host:
        raise BadURLError(f"no host; write it after {parts.scheme}://, as in {parts.scheme}://example.org/")
    ascii_host = _ascii_host(host)
    # The zone of a link-local address has a meaning only on this machine.
    shown = f"[{ascii_host.partition('%')[0]}]" if ":" in ascii_host else ascii_host
    return Target(
        url=url,
        host=ascii_host,
        port=port,
        tls=parts.scheme == "https",
        unix_path=None,
        host_header=shown if port == _DEFAULT_PORTS[parts.scheme] else f"{shown}:{port}",
        request_target=_request_target(parts.path, parts.query),
    )


def _unix(url: str, parts: SplitResult) -> Target:
    if parts.netloc:
        raise BadURLError("a Unix socket has no host before its path; write unix:/path/to.sock")
    if "#" in url:
        raise BadURLError("write %23 for a # in the path")
    path = unquote(parts.path, errors="surrogateescape")
    if path in ("", "@"):
        raise BadURLError("no path; write unix:/path/to.sock, or unix:@name for an abstract name")
    if "\0" in path:
        raise BadURLError("the path contains a NUL; write unix:@name for an abstract name")
    if parts.path.startswith("@"):
        path = "\0" + path[1:]
    parameters = parse_qs(parts.query, keep_blank_values=True, errors="surrogateescape")
    unknown = sorted(set(parameters) - {"path", "host"})
    if unknown:
        raise BadURLError(
            f"unknown parameter {unknown[0]!r}; use path= and host=, as in unix:/path/to.sock?path=/x&host=name"
        )
    asked = parameters.get("path", ["/"])[-1]
    if not asked.startswith("/"):
        raise BadURLError(f"path={asked!r} must begin with a slash, as in path=/status")
    host = parameters.get("host", ["localhost"])[-1]
    if not _HOST_HEADER.fullmatch(host):
        raise BadURLError(f"{host!r} is not a valid host name; use letters, digits, hyphens and dots")
    return Target(
        url=url,
        host="",
        port=0,
        tls=False,
        unix_path=path,
        host_header=host,
        request_target=_request_target(asked, ""),
    )


def _ascii_host(host: str) -> str:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise BadURLError(f"{host!r} is not a valid IPv6 address; write it as in http://[::1]:8080/") from None
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError as error:
        reason = str(error.reason) if isinstance(error, UnicodeEncodeError) else str(error)
        raise BadURLError(
            f"{host!r} is not a valid host name ({reason}); use letters, digits, hyphens and dots"
        ) from None
    if not _HOST_HEADER.fullmatch(ascii_host):
        raise BadURLError(f"{host!r} is not a valid host name; use letters, digits, hyphens and dots")
    fault = name_fault(ascii_host)
    if fault is not None:
        raise BadURLError(fault)
    return ascii_host


def _request_target(path: str, query: str) -> str:
    # Python represents an argument that is not valid UTF-8 with surrogates. Its bytes are sent unchanged.
    target = quote(path or "/", safe=_SAFE_IN_TARGET, errors="surrogateescape")
    return f"{target}?{quote(query, safe=_SAFE_IN_TARGET, errors='surrogateescape')}" if query else target
