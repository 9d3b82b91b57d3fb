"""Resolve a host and a port to the addresses to connect to or to listen on."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import operator
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from .addresses import host_hint, printable, refuse_nul

AddressInfo: TypeAlias = tuple[int, int, int, str, Any]
"""Family, type, protocol, canonical name and address, as ``socket.getaddrinfo`` returns them."""

Resolver: TypeAlias = Callable[[str, int], Awaitable[Iterable[str | tuple[str, int] | AddressInfo]]]
"""A resolver of the program: a coroutine function, called with the host and the port. It returns IP addresses, pairs of
an IP address and a port, or tuples of ``socket.getaddrinfo``. ``connect()`` tries them with alternating families."""


def check_host(host: Any, name: str = "host argument") -> None:
    """Raise TypeError unless ``host`` is a str, bytes or None, and ValueError if it contains a NUL.

    ``name``: what the message calls the host.
    """
    if host is None:
        return
    if not isinstance(host, (str, bytes)):
        raise TypeError(f"{name} must be a str, bytes or None, not {type(host).__name__!r}: {host!r}")
    refuse_nul(host, name)


def literal_address(host: Any, port: Any, family: int, proto: int, rest: tuple[Any, ...] = ()) -> AddressInfo | None:
    """Return the address info if ``host`` is an IP address and ``port`` a number, else None. No resolver is called.

    A ``port`` that is None or empty counts as 0. An address that has a zone id, or does not fit ``family`` or
    ``proto``, gives None. ``rest``: flow info and scope id of an IPv6 address, or an empty tuple. Raise UnicodeError if
    ``host`` is bytes that are not a name.
    """
    if proto not in (0, socket.IPPROTO_TCP) or not isinstance(host, (str, bytes)):
        return None
    if port in (None, "", b""):
        port = 0
    try:
        port = int(port)
    except (TypeError, ValueError):
        return None
    if isinstance(host, bytes):
        host = host.decode("idna")
    if "%" in host:
        # inet_pton does not support zone ids; getaddrinfo does.
        return None
    for candidate in (socket.AF_INET, socket.AF_INET6):
        if family not in (socket.AF_UNSPEC, candidate):
            continue
        try:
            socket.inet_pton(candidate, host)
        except (OSError, ValueError):
            # ValueError: a NUL or another character that cannot be encoded.
            continue
        address: tuple[Any, ...] = (host, port)
        if candidate == socket.AF_INET6:
            address += rest if len(rest) == 2 else (0, 0)
        return candidate, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address
    return None


async def resolve(
    loop: asyncio.AbstractEventLoop,
    address: tuple[Any, ...],
    *,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
    argument: str = "",
) -> list[AddressInfo]:
    """Return at least one address info for ``address``, a tuple of host and port, in the resolver's order.

    ``argument``: the name of the argument that is the tuple, such as "local_addr", for messages; "" if host and port
    are two arguments.

    Raises:
        socket.gaierror: the name cannot be resolved. The message contains the name and the port.
        UnicodeError: the name cannot be encoded. The message contains the name and the port.
        TypeError: the host is not a str, bytes or None.
        ValueError: the host or the port contains a NUL, or ``family``, ``proto`` or ``flags`` exceeds a C integer.
        OSError: the resolver returned an empty list.
    """
    host, port = address[:2]
    # uvloop's getaddrinfo() accepts no other integers.
    family, proto, flags = map(operator.index, (family, proto, flags))
    check_host(host, f"host of {argument}" if argument else "host argument")
    if isinstance(port, (str, bytes)):
        refuse_nul(port, f"port of {argument}" if argument else "port argument")
    try:
        literal = literal_address(host, port, family, proto, tuple(address[2:]))
        if literal is not None:
            return [literal]
        getaddrinfo: Any = functools.partial(_with_zone_id, loop) if _has_zone_id(host) else loop.getaddrinfo
        infos: list[Any] = await getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, proto=proto, flags=flags
        )
    except socket.gaierror as error:
        raise socket.gaierror(
            error.errno, f"{_cannot_resolve(host, port, argument)}: {_reason(error.strerror, host, port)}"
        ) from None
    except OverflowError:
        for name, value in (("family", family), ("proto", proto), ("flags", flags)):
            refuse_beyond_c_int(value, name)
        raise
    except UnicodeError as error:
        raise UnicodeError(f"{_cannot_resolve(host, port, argument)}: {_reason(error, host, port)}") from None
    if not infos:
        raise OSError(f"getaddrinfo({host!r}) returned empty list")
    return infos


def refuse_beyond_c_int(value: int, name: str) -> None:
    """Raise ValueError if ``value`` exceeds a C integer. ``name``: the name of the argument in messages."""
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"{name} argument must be from -2147483648 to 2147483647, not {value!r}")


def _has_zone_id(host: Any) -> bool:
    """Return True if ``host`` is an IPv6 address with a zone id, such as fe80::1%eth0."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host or ""
    before, percent, _ = name.partition("%")
    return bool(percent) and literal_address(before, None, socket.AF_INET6, 0) is not None


async def _with_zone_id(loop: asyncio.AbstractEventLoop, host: Any, port: Any, **options: int) -> list[Any]:
    """Do what asyncio's loop.getaddrinfo() does. uvloop's drops the zone id, which a link-local address needs."""
    return await loop.run_in_executor(None, functools.partial(socket.getaddrinfo, host, port, **options))


async def resolve_with(resolver: Resolver, host: str, port: int) -> list[AddressInfo]:
    """Return at least one address info for ``host`` and ``port``, from the ``resolver`` of the program.

    The resolver is not called for an IP address.

    Raises:
        OSError: the resolver returned no address of a stream socket.
        socket.gaierror, UnicodeError: ``host`` contains a "%", but is not an IP address with a zone id.
        TypeError, ValueError: ``resolver`` is not a coroutine function, or what it returned is not a list of addresses.
        Exception: the resolver raised it.
    """
    if "%" in host:
        # A zone id belongs to an IP address, which only getaddrinfo can convert.
        return await resolve(asyncio.get_running_loop(), (host, port), flags=socket.AI_NUMERICHOST)
    literal = literal_address(host, port, 0, 0)
    if literal is not None:
        return [literal]
    found: object = resolver(host, port)
    if not inspect.isawaitable(found):
        raise TypeError(
            f"resolver argument must be a coroutine function; it returned {found!r}, which cannot be awaited"
        )
    addresses: Any = await found
    if isinstance(addresses, str | bytes) or not isinstance(addresses, Iterable):
        raise TypeError(f"resolver= returned {addresses!r} for {host!r}; accepted is a list of addresses")
    # getaddrinfo() without ``type=`` returns each address for datagrams as well.
    infos = [info for info in (_as_info(one, host, port) for one in addresses) if info[1] == socket.SOCK_STREAM]
    if not infos:
        raise OSError(f"{_cannot_resolve(host, port)}: resolver= returned no address of a stream socket")
    return infos


def _as_info(found: Any, host: str, port: int) -> AddressInfo:
    family = 0
    kind: Any = socket.SOCK_STREAM
    address: Any = found if isinstance(found, tuple) else (found, port)
    if len(address) == 5:
        family, kind, _, _, address = address
    if isinstance(address, tuple) and len(address) in (2, 4) and _is_port(address[1]) and isinstance(kind, int):
        # The zone id of an address of getaddrinfo() is also the last part of its tuple.
        name = address[0].partition("%")[0] if isinstance(address[0], str) and len(address) == 4 else address[0]
        info = literal_address(name, address[1], family, 0, address[2:]) if isinstance(name, str) else None
        if info is not None and all(isinstance(part, int) and 0 <= part < 1 << 32 for part in address[2:]):
            return info[0], kind or socket.SOCK_STREAM, *info[2:]
    raise ValueError(
        f"resolver= returned {found!r} for {host!r}; accepted are IP addresses, pairs of an IP address and a port "
        "from 1 to 65535, and the tuples of socket.getaddrinfo"
    )


def _is_port(port: Any) -> bool:
    return isinstance(port, int) and not isinstance(port, bool) and 0 < port <= 65535


def decoded_name(host: str | bytes, port: Any) -> str:
    """Return ``host`` as a str. Raise UnicodeError with ``host`` and ``port`` if its bytes are not a name."""
    try:
        return host.decode("idna") if isinstance(host, bytes) else host
    except UnicodeError as error:
        raise UnicodeError(f"{_cannot_resolve(host, port)}: {error}") from None


def _cannot_resolve(host: Any, port: Any, argument: str = "") -> str:
    words = [part.decode("utf-8", "backslashreplace") if isinstance(part, bytes) else part for part in (host, port)]
    host, port = ("" if word is None else word for word in words)
    name = printable(f"{host}:{port}" if port != "" else str(host))
    return f'cannot resolve {argument} "{name}"' if argument else f'cannot resolve "{name}"'


def _reason(error: Any, host: Any, port: Any) -> str:
    hint = host_hint(host) if isinstance(host, str) else None
    if hint is not None and "://" in host:
        hint += ", and the port as a separate argument"
    if hint is None and isinstance(port, str) and not port.isdecimal():
        hint = f"check that the port {port!r} is a number or the name of a service"
    return str(error) if hint is None else f"{error}; {hint}"


def interleave(infos: list[AddressInfo], first: int) -> list[AddressInfo]:
    """Return ``infos`` with alternating families, after ``first`` addresses of the first family (RFC 8305)."""
    families: dict[int, list[AddressInfo]] = {}
    for info in infos:
        families.setdefault(info[0], []).append(info)
    groups = list(families.values())
    ahead = max(first - 1, 0)
    head, groups[0] = groups[0][:ahead], groups[0][ahead:]
    rest = itertools.chain.from_iterable(itertools.zip_longest(*groups))
    return head + [info for info in rest if info is not None]
