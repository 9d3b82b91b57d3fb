"""``sluiceway demo``: what it prints, and that each of its checks decides the exit status."""

import asyncio
import gc
import os
import re
import signal

import pytest

import sluiceway
from cli.command_runner import run_command, run_on_terminal, single_line, start_command
from sluiceway.cli.demo import comparison, service, steps, tour
from sluiceway.cli.demo.report import Report, check
from support.timeouts import PROCESS_TIMEOUT

KINDS = ["TCP", "TLS", "Unix socket"]


@pytest.fixture
def directory(unix_path):
    """A TMPDIR for the demonstration, which must be empty at the end."""
    yield os.path.dirname(unix_path)
    assert os.listdir(os.path.dirname(unix_path)) == []


def test_demo_prints_each_result_and_exits_with_zero(directory):
    program = start_command("demo", "--quick", env={**os.environ, "TMPDIR": directory})
    out, err = program.communicate(timeout=PROCESS_TIMEOUT)
    assert (program.returncode, err) == (0, ""), out
    assert "\x1b" not in out
    assert f"sluiceway {sluiceway.__version__}, implementation: {sluiceway.IMPLEMENTATION}\n" in out
    assert out.count("HTTP header> HTTP/1.1 200 OK\n") == 3
    for scheme in ("http://127.0.0.1:", "https://127.0.0.1:", f"unix:{directory}/"):
        assert f"$ sluiceway headers {scheme}" in out
    for kind in KINDS:
        assert f"  {kind}: 200 lines sent and echoed unchanged\n" in out
        assert f"  {kind}: 8 frames of 1 to 1,000,000 bytes sent and echoed unchanged\n" in out
        assert re.search(rf"  {kind}: 2 MiB in [\d.]+ s, SHA-256 [0-9a-f]{{16}}\.\.\. at both ends\n", out)
    for read in ("readexactly(999)", "read(-1)"):
        assert f"  {read}: cancelled, then timed out after 500 of 1000 bytes; the next call returned all\n" in out
    assert "  wait_closed() returned: 5 connections served, 5 handlers finished\n" in out
    for row in ("lines echoed per second", "CPU per line, us", "MiB transferred per second"):
        assert re.search(rf"{row} +[\d,.]+ +[\d,.]+ +[\d.]+ *\n", out), row
    assert "Client and server run in one process, and both are measured.\n" in out
    assert out.endswith("  All checks passed.\n")


def test_demo_on_terminal_draws_progress_bar(directory):
    status, shown = run_on_terminal("demo", "--quick", TMPDIR=directory, COLUMNS="100")
    assert status == 0, shown
    assert "2.0/2.0 MiB" in shown, shown
    assert "All checks passed." in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_during_demo_ends_it_and_leaves_no_files(directory, number):
    program = start_command("demo", env={**os.environ, "TMPDIR": directory})
    assert program.stdout is not None
    for line in program.stdout:
        if line.startswith("Transfer"):
            break
    program.send_signal(number)
    _, err = program.communicate(timeout=PROCESS_TIMEOUT)
    assert (program.returncode, err) == (128 + number, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_before_await_of_demo_leaves_no_unawaited_step(monkeypatch, number):
    """The signal arrives when the coroutine of the step exists and is not awaited yet."""
    steps_done = []

    async def wait():
        await asyncio.sleep(0)
        steps_done.append("wait")

    def step(_demo):
        coroutine = wait()
        signal.raise_signal(number)
        return coroutine

    monkeypatch.setattr(tour, "STEPS", [("Signal", step)])
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert run_command("demo", "--quick").exit_code == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    gc.collect()
    assert steps_done == []


def test_failed_output_of_heading_leaves_no_unawaited_step(monkeypatch):
    """A coroutine that is never awaited causes a RuntimeWarning, which fails the test."""

    def end_command(*_):
        raise SystemExit(1)

    monkeypatch.setattr(Report, "heading", end_command)
    assert run_command("demo", "--quick").exit_code == 1
    gc.collect()


def test_demo_on_asyncio_streams_fails_its_check_of_cancelled_reads(monkeypatch):
    """R1: a cancelled read(-1) of asyncio loses bytes, so the check can fail."""
    monkeypatch.setattr(sluiceway, "open_connection", asyncio.open_connection)
    monkeypatch.setattr(sluiceway, "open_unix_connection", asyncio.open_unix_connection)
    monkeypatch.setattr(tour, "STEPS", [("Reads", steps.cancel_reads)])
    result = run_command("demo", "--quick")
    assert result.exit_code == 1
    assert single_line(result.stderr) == (
        "sluiceway: demo: Reads: check failed: over TCP: read(-1) after a cancelled and a timed-out call "
        "returned 501 of 1000 bytes"
    )
    assert result.stdout.endswith("  Failed: Reads.\n")


@pytest.mark.parametrize(
    ("step", "handler", "name"),
    [
        (steps.ask_for_headers, "serve_http", "Headers"),
        (steps.talk_in_lines, "echo_lines", "Lines"),
        (steps.talk_in_frames, "echo_frames", "Frames"),
        (steps.transfer, "take_transfer", "Transfer"),
        (steps.stop_gracefully, "echo_lines", "Stop"),
    ],
)
def test_wrong_answer_of_server_fails_step(monkeypatch, step, handler, name):
    async def answer_wrongly(reader, writer):
        await reader.read(1)
        writer.write(b"wrong answer\n" * 10)
        await writer.drain()
        await reader.read()

    monkeypatch.setattr(steps, handler, answer_wrongly)
    monkeypatch.setattr(tour, "STEPS", [(name, step)])
    result = run_command("demo", "--quick")
    assert result.exit_code == 1
    assert single_line(result.stderr).startswith(f"sluiceway: demo: {name}: ")
    assert result.stdout.endswith(f"  Failed: {name}.\n")


def error_of_step(monkeypatch, body):
    monkeypatch.setattr(tour, "STEPS", [("Odd", body)])
    result = run_command("demo", "--quick")
    assert result.exit_code == 1
    return single_line(result.stderr)


def test_exception_in_step_is_reported_in_one_line(monkeypatch):
    async def step(_demo):
        raise OSError("two\nlines")

    assert error_of_step(monkeypatch, step) == "sluiceway: demo: Odd: OSError: two lines"


def test_step_that_hangs_is_reported_after_time_limit(monkeypatch):
    async def step(_demo):
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(tour, "_STEP_LIMIT", 0.5)

    async def compare_nothing(_size):
        return {name: comparison.Measurement([1.0], [1.0], [1.0], [1.0]) for name in ("asyncio", "sluiceway")}

    monkeypatch.setattr(comparison, "compare", compare_nothing)
    assert error_of_step(monkeypatch, step) == "sluiceway: demo: Odd: timed out after 0.5 s; the machine may be busy"


def test_exception_in_callback_of_loop_fails_demo(monkeypatch):
    async def step(_demo):
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)

    assert "ZeroDivisionError" in error_of_step(monkeypatch, step)


def test_failed_check_on_open_connection_does_not_hang_server(monkeypatch):
    async def step(demo):
        async with service.Service("lines", steps.echo_lines).serve(demo.resources) as addresses:
            async with service.client(addresses[0].connect()):
                check(False, "what cannot be")

    assert error_of_step(monkeypatch, step) == "sluiceway: demo: Odd: check failed: what cannot be"


@pytest.mark.loops("asyncio")
async def test_comparison_measures_asyncio_and_sluiceway():
    results = await comparison.compare(comparison.Size(echoes=3, transfer_bytes=300_000, rounds=2))
    assert set(results) == {"asyncio", "sluiceway"}
    for measurement in results.values():
        for numbers in (
            measurement.messages_per_second,
            measurement.microseconds_per_message,
            measurement.mib_per_second,
            measurement.milliseconds_per_mib,
        ):
            assert len(numbers) == 2
            assert all(number > 0 for number in numbers)
    rows = comparison.table(results)
    assert [column.header for column in rows.columns] == ["", "asyncio", "sluiceway", "ratio"]
    assert rows.row_count == 4
