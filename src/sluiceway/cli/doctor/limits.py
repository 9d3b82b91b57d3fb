"""The system's limits on connections, where they can be read, and which of them will be met first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluiceway.cli.doctor.findings import Finding, Section

PROC = Path("/proc/sys")

# Open files, that is connections. 1,024 is what most systems give a process that asks for nothing; a server with some
# thousand clients needs more, and more costs nothing.
_FEW_FILES = 10_000

# Connections waiting to be accepted. Older Linux has 128, which a burst of clients fills within one turn of a loop.
_SHORT_BACKLOG = 1_024


def limits(proc: Path = PROC, files: tuple[int, int] | None = None) -> Section:
    """What ``proc`` says; ``files`` are the soft and the hard limit of open files, those of this process if None."""
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
                _shown(backlog, "connections wait to be accepted, at most (net.core.somaxconn)"),
                f"a burst of more connects than that waits a second: sysctl -w net.core.somaxconn={4 * _SHORT_BACKLOG}"
                if short
                else None,
            ),
            Finding(
                "half_open",
                "half-open",
                half_open,
                _shown(half_open, "handshakes of TCP at a time (net.ipv4.tcp_max_syn_backlog)"),
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
    """The soft and the hard limit of open files of this process, -1 for none; None where there is no such thing."""
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
                f"a connection takes one: ulimit -n {wanted} in the shell that starts the server, "
                f"LimitNOFILE={wanted} in a systemd unit"
            )
        else:
            advice = (
                "a connection takes one, and only root can raise the hard limit: LimitNOFILE=65536 in a systemd unit, "
                "nofile in /etc/security/limits.conf"
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
    shown = f"{first} to {last}: {last - first + 1} connections to one address and port at a time"
    return Finding("ephemeral_ports", "client ports", {"first": first, "last": last}, shown)


def _number(path: Path) -> int | None:
    numbers = _numbers(path)
    return numbers[0] if numbers is not None and len(numbers) == 1 else None


def _numbers(path: Path) -> list[int] | None:
    """The numbers that a file of /proc/sys holds, None where it is not there or holds something else."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return None


def _shown(number: int | None, meaning: str) -> str:
    return "not to be read on this system" if number is None else f"{number} {meaning}"
