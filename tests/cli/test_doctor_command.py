"""``sluiceway doctor`` reports the actual state, as text and as JSON."""

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
from sluiceway.cli.doctor.findings import Finding, Section, json_document, text_lines
from sluiceway.cli.doctor.implementation import implementation
from support.timeouts import PROCESS_TIMEOUT

SECTIONS = ["Versions", "Implementation", "Loops", "TLS", "Limits"]

SYSTEM = {
    "net/core/somaxconn": "4096\n",
    "net/ipv4/tcp_max_syn_backlog": "512\n",
    "net/ipv4/ip_local_port_range": "32768\t60999\n",
    "fs/epoll/max_user_watches": "1000000\n",
}


def report_as_json() -> dict[str, Any]:
    result = run_command("doctor", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def find(section: Section, name: str) -> Finding:
    (finding,) = [finding for finding in section.findings if finding.name == name]
    return finding


def write_proc_files(directory: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return directory


def test_text_report_has_every_section_and_version() -> None:
    result = run_command("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == SECTIONS
    for known in (sluiceway.__version__, platform.python_version(), platform.release(), ssl.OPENSSL_VERSION):
        assert known in result.stdout


def test_json_report_has_every_section_and_value() -> None:
    document = report_as_json()
    assert list(document) == ["versions", "implementation", "loops", "tls", "limits", "advice"]
    assert document["versions"]["sluiceway"] == sluiceway.__version__
    assert document["versions"]["python"] == platform.python_version()
    assert document["tls"]["library"] == ssl.OPENSSL_VERSION
    assert document["implementation"]["core"]["in_use"] == sluiceway.IMPLEMENTATION
    assert document["implementation"]["engine"]["in_use"] == sluiceway.ENGINE
    assert document["implementation"]["asyncio_replaced"] is False
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert document["limits"]["open_files"] == {
        name: "unlimited" if limit == resource.RLIM_INFINITY else limit
        for name, limit in (("soft", soft), ("hard", hard))
    }


def test_report_without_terminal_is_ascii_and_not_wrapped() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sluiceway", "doctor"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "20"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode("ascii").splitlines()
    assert "\x1b" not in result.stdout.decode("ascii")
    # No line was wrapped.
    assert [line for line in lines if line and not line.startswith("  ")] == SECTIONS


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_transport_in_report_is_that_of_a_connection(loop: str) -> None:
    loop_report = report_as_json()["loops"][loop]
    assert loop_report["engine"] is (sluiceway.ENGINE == "epoll")
    assert loop_report["carried_by"].startswith("sluiceway." if loop_report["engine"] else f"{loop}.")


def test_failed_connection_is_reported_with_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_permission_error(*_: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(trial, "socket", types.SimpleNamespace(socketpair=raise_permission_error))
    finding = find(trial.loops(), "asyncio")
    assert finding.shown == "cannot open a connection: [Errno 1] Operation not permitted"
    assert finding.value["failure"] == "[Errno 1] Operation not permitted"


def test_connection_that_receives_nothing_is_reported_as_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sent data does not arrive. Sockets and transports are closed, or the leak checks report a warning."""
    other_ends: list[socket.socket] = []

    def unconnected_pair(pair: Any = socket.socketpair) -> tuple[socket.socket, socket.socket]:
        one, other = pair()
        third, fourth = pair()
        other_ends.extend((other, third))
        return one, fourth

    monkeypatch.setattr(trial, "socket", types.SimpleNamespace(socketpair=unconnected_pair))
    monkeypatch.setattr(trial, "_PATIENCE", 0.01)
    try:
        assert find(trial.loops(), "asyncio").value == {"carried_by": None, "failure": "TimeoutError"}
    finally:
        for sock in other_ends:
            sock.close()


@pytest.mark.parametrize(
    ("core", "engine", "system", "pure_requested", "engine_choice", "core_reason", "engine_reason", "advised_name"),
    [
        ("compiled", "epoll", "linux", False, "", None, None, None),
        ("compiled", "loop", "linux", False, "loop", None, "selected by SLUICEWAY_ENGINE=loop", None),
        ("compiled", "loop", "darwin", False, "", None, "the engine needs Linux", None),
        (
            "compiled", "loop", "linux", False, "",
            None, "cannot import the engine: it is not compiled", "engine",
        ),
        (
            "pure", "loop", "linux", True, "",
            "selected by SLUICEWAY_PURE", "the engine needs the compiled core", None,
        ),
        (
            "pure", "loop", "linux", False, "",
            "this installation has no compiled files", "the engine needs the compiled core", "core",
        ),
        (
            "pure", "loop", "win32", False, "",
            "this installation has no compiled files", "the engine needs Linux", "core",
        ),
    ],
)  # fmt: skip
def test_reason_for_slower_core_or_engine_is_reported_with_advice(
    core: str,
    engine: str,
    system: str,
    pure_requested: bool,
    engine_choice: str,
    core_reason: str | None,
    engine_reason: str | None,
    advised_name: str | None,
) -> None:
    section = implementation(core, engine, system, pure_requested, engine_choice)
    assert find(section, "core").value == {"in_use": core, "reason": core_reason}
    assert find(section, "engine").value == {"in_use": engine, "reason": engine_reason}
    for reason in filter(None, (core_reason, engine_reason)):
        assert any(reason in finding.shown for finding in section.findings)
    # The advice is given once.
    advice = {finding.name: finding.advice for finding in section.findings if finding.advice}
    assert list(advice) == ([advised_name] if advised_name else [])
    assert all("compiler" in text and "headers" in text for text in advice.values())


@pytest.mark.parametrize(
    ("files", "value", "advised_name"),
    [
        ((1024, 1_048_576), {"soft": 1024, "hard": 1_048_576}, "ulimit -n 65536"),
        ((1024, 20_000), {"soft": 1024, "hard": 20_000}, "ulimit -n 20000"),
        ((1024, 4096), {"soft": 1024, "hard": 4096}, "only root"),
        ((256, -1), {"soft": 256, "hard": "unlimited"}, "ulimit -n 65536"),
        ((65_536, 65_536), {"soft": 65_536, "hard": 65_536}, None),
        ((-1, -1), {"soft": "unlimited", "hard": "unlimited"}, None),
    ],
)
def test_low_limit_of_open_files_gives_advice(
    tmp_path: pathlib.Path, files: tuple[int, int], value: dict[str, Any], advised_name: str | None
) -> None:
    finding = find(limits.limits(write_proc_files(tmp_path, SYSTEM), files), "open_files")
    assert finding.value == value
    assert (finding.advice is None) if advised_name is None else (advised_name in (finding.advice or ""))


def test_system_limits_are_reported(tmp_path: pathlib.Path) -> None:
    section = limits.limits(write_proc_files(tmp_path, SYSTEM))
    assert {finding.name: finding.value for finding in section.findings[1:]} == {
        "listen_backlog": 4096,
        "half_open": 512,
        "ephemeral_ports": {"first": 32768, "last": 60999},
        "epoll_watches": 1_000_000,
    }
    assert "28232" in find(section, "ephemeral_ports").shown
    assert [finding.name for finding in section.findings[1:] if finding.advice] == []


def test_short_listen_backlog_gives_advice(tmp_path: pathlib.Path) -> None:
    section = limits.limits(write_proc_files(tmp_path, {**SYSTEM, "net/core/somaxconn": "128\n"}))
    assert "net.core.somaxconn=4096" in (find(section, "listen_backlog").advice or "")


@pytest.mark.parametrize("content", [None, "", "many\n", "1 2 3\n"])
def test_unreadable_system_limits_are_reported_as_unknown(tmp_path: pathlib.Path, content: str | None) -> None:
    files = {} if content is None else dict.fromkeys(SYSTEM, content)
    section = limits.limits(write_proc_files(tmp_path, files), (65_536, 65_536))
    assert [finding.value for finding in section.findings[1:]] == [None] * 4
    assert {finding.shown for finding in section.findings[1:]} == {"not available on this system"}
    assert [finding for finding in section.findings if finding.advice] == []


def test_missing_resource_module_is_reported_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert limits.open_files() is None
    finding = find(limits.limits(), "open_files")
    assert (finding.value, finding.shown) == (None, "not available on this system")


def test_advice_is_printed_below_its_finding() -> None:
    section = Section("s", "Title", [Finding("a", "a", 1, "one", "mend it"), Finding("bb", "bb", None, "none")])
    assert list(text_lines([section, Section("t", "Other", [])])) == [
        "Title",
        "  a   one",
        "      -> mend it",
        "  bb  none",
        "",
        "Other",
    ]
    assert json_document([section]) == {"s": {"a": 1, "bb": None}, "advice": [{"about": "s.a", "text": "mend it"}]}
