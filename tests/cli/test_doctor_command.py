"""``sluiceway doctor``: what it says is what is the case, for people and for machines."""

import json
import os
import pathlib
import platform
import resource
import socket
import ssl
import subprocess
import sys
import types
from typing import Any

import pytest

import sluiceway
from cli.command_runner import run_command
from sluiceway.cli.doctor import limits, trial
from sluiceway.cli.doctor.findings import Finding, Section, as_json, as_lines
from sluiceway.cli.doctor.implementation import implementation

SECTIONS = ["Versions", "Implementation", "Loops", "TLS", "Limits"]

SYSTEM = {
    "net/core/somaxconn": "4096\n",
    "net/ipv4/tcp_max_syn_backlog": "512\n",
    "net/ipv4/ip_local_port_range": "32768\t60999\n",
    "fs/epoll/max_user_watches": "1000000\n",
}


def examined() -> dict[str, Any]:
    result = run_command("doctor", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def found(section: Section, name: str) -> Finding:
    (finding,) = [finding for finding in section.findings if finding.name == name]
    return finding


def proc_with(directory: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return directory


def test_for_people() -> None:
    result = run_command("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == SECTIONS
    for known in (sluiceway.__version__, platform.python_version(), platform.release(), ssl.OPENSSL_VERSION):
        assert known in result.stdout


def test_for_machines() -> None:
    document = examined()
    assert list(document) == ["versions", "implementation", "loops", "tls", "limits", "advice"]
    assert document["versions"]["sluiceway"] == sluiceway.__version__
    assert document["versions"]["python"] == platform.python_version()
    assert document["tls"]["library"] == ssl.OPENSSL_VERSION
    assert document["implementation"]["core"]["in_use"] == sluiceway.IMPLEMENTATION
    assert document["implementation"]["engine"]["in_use"] == sluiceway.ENGINE
    assert document["implementation"]["installed"] is False
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert document["limits"]["open_files"] == {
        name: "unlimited" if limit == resource.RLIM_INFINITY else limit
        for name, limit in (("soft", soft), ("hard", hard))
    }


def test_without_a_terminal_a_width_or_a_useful_encoding() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sluiceway.cli", "doctor"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "20"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode("ascii").splitlines()
    assert "\x1b" not in result.stdout.decode("ascii")
    # No line was broken to fit.
    assert [line for line in lines if line and not line.startswith("  ")] == SECTIONS


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_carries_a_connection_was_tried(loop: str) -> None:
    examined_loop = examined()["loops"][loop]
    assert examined_loop["engine"] is (sluiceway.ENGINE == "epoll")
    assert examined_loop["carried_by"].startswith("sluiceway." if examined_loop["engine"] else f"{loop}.")


def test_a_connection_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(trial, "socket", types.SimpleNamespace(socketpair=refused))
    finding = found(trial.loops(), "asyncio")
    assert finding.shown == "a connection fails: [Errno 1] Operation not permitted"
    assert finding.value["failure"] == "[Errno 1] Operation not permitted"


def test_a_connection_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent data is lost. Sockets and transports are closed all the same, or the leak checks report a warning."""
    elsewhere: list[socket.socket] = []

    def torn(pair: Any = socket.socketpair) -> tuple[socket.socket, socket.socket]:
        one, other = pair()
        third, fourth = pair()
        elsewhere.extend((other, third))
        return one, fourth

    monkeypatch.setattr(trial, "socket", types.SimpleNamespace(socketpair=torn))
    monkeypatch.setattr(trial, "_PATIENCE", 0.01)
    try:
        assert found(trial.loops(), "asyncio").value == {"carried_by": None, "failure": "TimeoutError"}
    finally:
        for sock in elsewhere:
            sock.close()


@pytest.mark.parametrize(
    ("core", "engine", "system", "pure_requested", "engine_choice", "core_reason", "engine_reason", "advised"),
    [
        ("compiled", "epoll", "linux", False, "", None, None, None),
        ("compiled", "loop", "linux", False, "loop", None, "SLUICEWAY_ENGINE=loop asks for it", None),
        ("compiled", "loop", "darwin", False, "", None, "the engine is for Linux", None),
        (
            "compiled", "loop", "linux", False, "",
            None, "the engine cannot be used: it was not compiled", "engine",
        ),
        (
            "pure", "loop", "linux", True, "",
            "SLUICEWAY_PURE asks for it", "the engine goes with the compiled core", None,
        ),
        (
            "pure", "loop", "linux", False, "",
            "nothing was compiled when sluiceway was installed", "the engine goes with the compiled core", "core",
        ),
        (
            "pure", "loop", "win32", False, "",
            "nothing was compiled when sluiceway was installed", "the engine is for Linux", "core",
        ),
    ],
)  # fmt: skip
def test_why_it_is_not_the_faster_one(
    core: str,
    engine: str,
    system: str,
    pure_requested: bool,
    engine_choice: str,
    core_reason: str | None,
    engine_reason: str | None,
    advised: str | None,
) -> None:
    section = implementation(core, engine, system, pure_requested, engine_choice)
    assert found(section, "core").value == {"in_use": core, "reason": core_reason}
    assert found(section, "engine").value == {"in_use": engine, "reason": engine_reason}
    for reason in filter(None, (core_reason, engine_reason)):
        assert any(reason in finding.shown for finding in section.findings)
    # Said once, with what to do.
    advice = {finding.name: finding.advice for finding in section.findings if finding.advice}
    assert list(advice) == ([advised] if advised else [])
    assert all("compiler" in text and "headers" in text for text in advice.values())


@pytest.mark.parametrize(
    ("files", "value", "advised"),
    [
        ((1024, 1_048_576), {"soft": 1024, "hard": 1_048_576}, "ulimit -n 65536"),
        ((1024, 20_000), {"soft": 1024, "hard": 20_000}, "ulimit -n 20000"),
        ((1024, 4096), {"soft": 1024, "hard": 4096}, "only root"),
        ((256, -1), {"soft": 256, "hard": "unlimited"}, "ulimit -n 65536"),
        ((65_536, 65_536), {"soft": 65_536, "hard": 65_536}, None),
        ((-1, -1), {"soft": "unlimited", "hard": "unlimited"}, None),
    ],
)
def test_advice_on_open_files(
    tmp_path: pathlib.Path, files: tuple[int, int], value: dict[str, Any], advised: str | None
) -> None:
    finding = found(limits.limits(proc_with(tmp_path, SYSTEM), files), "open_files")
    assert finding.value == value
    assert (finding.advice is None) if advised is None else (advised in (finding.advice or ""))


def test_limits_of_the_system(tmp_path: pathlib.Path) -> None:
    section = limits.limits(proc_with(tmp_path, SYSTEM))
    assert {finding.name: finding.value for finding in section.findings[1:]} == {
        "listen_backlog": 4096,
        "half_open": 512,
        "ephemeral_ports": {"first": 32768, "last": 60999},
        "epoll_watches": 1_000_000,
    }
    assert "28232" in found(section, "ephemeral_ports").shown
    assert [finding.name for finding in section.findings[1:] if finding.advice] == []


def test_advice_on_a_short_backlog(tmp_path: pathlib.Path) -> None:
    section = limits.limits(proc_with(tmp_path, {**SYSTEM, "net/core/somaxconn": "128\n"}))
    assert "net.core.somaxconn=4096" in (found(section, "listen_backlog").advice or "")


@pytest.mark.parametrize("content", [None, "", "many\n", "1 2 3\n"])
def test_limits_that_cannot_be_read(tmp_path: pathlib.Path, content: str | None) -> None:
    files = {} if content is None else dict.fromkeys(SYSTEM, content)
    section = limits.limits(proc_with(tmp_path, files), (65_536, 65_536))
    assert [finding.value for finding in section.findings[1:]] == [None] * 4
    assert {finding.shown for finding in section.findings[1:]} == {"not to be read on this system"}
    assert [finding for finding in section.findings if finding.advice] == []


def test_without_limits_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert limits.open_files() is None
    finding = found(limits.limits(), "open_files")
    assert (finding.value, finding.shown) == (None, "not to be read on this system")


def test_advice_stands_below_what_it_is_about() -> None:
    section = Section("s", "Title", [Finding("a", "a", 1, "one", "mend it"), Finding("bb", "bb", None, "none")])
    assert list(as_lines([section, Section("t", "Other", [])])) == [
        ("Title", True),
        ("  a   one", False),
        ("      -> mend it", False),
        ("  bb  none", False),
        ("", False),
        ("Other", True),
    ]
    assert as_json([section]) == {"s": {"a": 1, "bb": None}, "advice": [{"about": "s.a", "text": "mend it"}]}
