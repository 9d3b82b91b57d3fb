"""The system's limits on connections, with advice for limits that a server reaches early."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluiceway.cli.doctor.findings import Finding, Section

PROC = Path("/proc/sys")

# Open files, of which each connection needs one. Most systems have a default of 1,024. A server with several thousand
# clients needs more, and a higher limit costs nothing.
_FEW_FILES = 10_000

# Connections that wait for accept(). A burst of clients fills the 128 of older Linux in one iteration of a loop.
_SHORT_BACKLOG = 1_024


def limits(proc: Path = PROC, files: tuple[int, int] | None = None) -> Section:
    """Return the section about limits. ``proc``: the directory of the system's limits, usually /proc/sys.

    ``files``: the soft and the hard limit on open files. None means those of this process.
    """
    backlog, half_open, watches = (
        _number(proc / name)
        for name in ("net/core/somaxconn", "net/ipv4/tcp_max_syn_backlog", "fs/epoll/max_user_watches")
    )
    short = backlog is not None and backlog < _SHORT_BACKLOG
    return Section(
        "limits",
        "Limits",
        [
            _open_files(open_files() if files is None else files),
            Finding(
                "listen_backlog",
                "listen backlog",
                backlog,
                _shown(backlog, "connections waiting for accept() (net.core.somaxconn)"),
                f"further connections wait one second; to raise it: sysctl -w net.core.somaxconn={4 * _SHORT_BACKLOG}"
                if short
                else None,
            ),
            Finding(
                "half_open",
                "half-open",
                half_open,
                _shown(half_open, "TCP handshakes in progress (net.ipv4.tcp_max_syn_backlog)"),
            ),
            _ports(_numbers(proc / "net/ipv4/ip_local_port_range")),
            Finding(
                "epoll_watches",
                "epoll watches",
                watches,
                _shown(watches, "descriptors watched by one user (fs.epoll.max_user_watches)"),
            ),
        ],
    )


def open_files() -> tuple[int, int] | None:
    """Return the soft and the hard limit on open files; -1 means unlimited. Return None on a system without them."""
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return tuple(-1 if limit == resource.RLIM_INFINITY else limit for limit in (soft, hard))  # type: ignore[return-value]


def _open_files(found: tuple[int, int] | None) -> Finding:
    if found is None:
        return Finding("open_files", "open files", None, _shown(None, ""))
    soft, hard = found
    advice = None
    if 0 <= soft < _FEW_FILES:
        if hard < 0 or hard >= _FEW_FILES:
            wanted = 65_536 if hard < 0 else min(65_536, hard)
            advice = (
                f"each connection needs one; to raise it: ulimit -n {wanted} in the shell that starts the server, "
                f"or LimitNOFILE={wanted} in a systemd unit"
            )
        else:
            advice = (
                "each connection needs one; only root can raise the hard limit: LimitNOFILE=65536 in a systemd unit, "
                "or nofile in /etc/security/limits.conf"
            )
    shown = f"{_limit(soft)} (soft), {_limit(hard)} (hard)"
    return Finding("open_files", "open files", {"soft": _plain(soft), "hard": _plain(hard)}, shown, advice)


def _limit(number: int) -> str:
    return "no limit" if number < 0 else str(number)


def _plain(number: int) -> int | str:
    return "unlimited" if number < 0 else number


def _ports(bounds: Sequence[int] | None) -> Finding:
    if bounds is None or len(bounds) != 2:
        return Finding("ephemeral_ports", "client ports", None, _shown(None, ""))
    first, last = bounds
    shown = f"{first} to {last}: {last - first + 1} simultaneous connections to one address and port"
    return Finding("ephemeral_ports", "client ports", {"first": first, "last": last}, shown)


def _number(path: Path) -> int | None:
    numbers = _numbers(path)
    return numbers[0] if numbers is not None and len(numbers) == 1 else None


def _numbers(path: Path) -> list[int] | None:
    """Return the numbers in the file ``path``, or None if the file cannot be read or contains other text."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return None


def _shown(number: int | None, meaning: str) -> str:
    return "not available on this system" if number is None else f"at most {number} {meaning}"
