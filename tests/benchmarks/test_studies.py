"""The studies measure what they are named for, and the report shows the measured values."""

import pathlib
import socket
import sysconfig
from collections.abc import Callable

import click.testing
import pytest

from benchmarks import __main__ as command
from benchmarks import certificates
from benchmarks.contenders import PURE, contender_named
from benchmarks.ratios import more
from benchmarks.scenarios import scenario_named
from benchmarks.studies import (
    Column,
    Goal,
    Reading,
    Row,
    Study,
    growth,
    idle,
    idle_client,
    running,
    short_records,
    threads,
    tls_held,
    tls_idle,
    write_growth,
)
from benchmarks.studies import report as reporting
from benchmarks.studies.catalogue import STUDIES
from benchmarks.studies.running import Readings
from support.external_programs import require_program

KIB = 1024


@pytest.mark.parametrize("name", ["c", "go", "asyncio", "sluiceway-pure"])
def test_idle_connections_have_measured_memory(name: str) -> None:
    if name in {"c", "go"}:
        require_program("gcc" if name == "c" else "go", None if name == "c" else "golang")
    contender = contender_named(name)
    result = idle.measured(contender, contender.command(idle.lines()), 300, 0.05)
    # Each connection has a buffer or objects of its own, but no megabyte.
    assert 512 < result["bytes_each"] < 64 * KIB
    assert list(result) == ["bytes_each", "idle_cpu_ms"]


@pytest.mark.parametrize("name", ["asyncio", "sluiceway-pure"])
def test_idle_tls_connections_have_measured_memory_and_answer_burst(name: str) -> None:
    contender = contender_named(name)
    command = contender.command(scenario_named("tls-lines"))
    result = idle.measured(contender, command, 300, 0.05, certificates.identity().authority, 64 * KIB)
    # OpenSSL alone needs more than this for each connection; with 300 the memory freed by the first is negligible.
    assert 8 * KIB < result["bytes_each"] < 1024 * KIB
    assert -256 * KIB < result["left_each"] < 512 * KIB


@pytest.mark.parametrize("name", ["asyncio", "sluiceway-pure"])
def test_tls_server_with_open_connections_is_measured_with_new_clients(name: str) -> None:
    contender = contender_named(name)
    result = tls_held.measured(contender, contender.command(scenario_named("tls-lines")), 20, 50)
    assert result["empty_p99_us"] > 0
    assert result["times"] == result["held_p99_us"] / result["empty_p99_us"]


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: b"y" + line[1:]], ids=["truncated", "changed"])
def test_wrong_answer_to_burst_raises(change: Callable[[bytes], bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(change(idle_client.LINE) + idle_client.LINE)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ValueError, match="wrong response"):
            idle_client.have_answered([ours], 2 * len(idle_client.LINE))


def test_incomplete_answer_to_burst_raises() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(idle_client.LINE)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="the server closed"):
            idle_client.have_answered([ours], 2 * len(idle_client.LINE))


def test_rows_of_idle_tls_study_cover_each_number_and_bursts() -> None:
    result, _ = tls_idle.rows(quick=False)
    names = [row.name for row in result if row.contender == "asyncio"]
    assert names == ["asyncio at 1000", "asyncio at 5000", "asyncio at 200, with bursts"]
    assert reporting.ours(names[-1]) == "sluiceway at 200, with bursts"


@pytest.mark.parametrize("chunk", [1, 100, 65536])
@pytest.mark.parametrize("contender", list(growth.CONTENDERS))
def test_record_of_growth_study_arrives_and_is_counted(contender: str, chunk: int) -> None:
    variables = PURE if contender == "sluiceway-pure" else {}
    size = 200_000
    for what, each in growth.commands(contender, chunk, size).items():
        result = growth.measured(each, variables)
        assert list(result) == [{"time": "ns_per_byte"}.get(what, what)]
        if what == "held":
            assert 1 <= result["held"] < 3
        elif what == "looked":
            assert 1 <= result["looked"] <= 2
        else:
            assert result["ns_per_byte"] > 0


@pytest.mark.parametrize("contender", ["asyncio", "sluiceway-pure"])
def test_loops_in_one_and_two_threads_carry_messages(contender: str) -> None:
    found = threads.measured(threads.command(contender, 1, 0.05), threads.CONTENDERS[contender][1])
    assert found["one"] > 0
    assert found["time_of_two"] == pytest.approx(found["one"] / found["two"])
    assert found["two_cpu_us"] > 0


def test_threads_are_not_measured_where_they_take_turns() -> None:
    made, missing = threads.rows(quick=True)
    with_lock = not sysconfig.get_config_var("Py_GIL_DISABLED")
    assert [row.name for row in made] == ([] if with_lock else list(threads.CONTENDERS))
    assert list(missing) == (["sluiceway"] if with_lock else [])


@pytest.mark.parametrize("transport", list(write_growth.WRITES))
@pytest.mark.parametrize("contender", ["asyncio", "sluiceway-pure"])
def test_queued_writes_of_growth_study_arrive_and_are_measured(contender: str, transport: str) -> None:
    result = growth.measured(write_growth.command(contender, transport, 2000), write_growth.CONTENDERS[contender][1])
    assert list(result) == ["ns_per_write", "growth"]


@pytest.mark.parametrize("what", list(short_records.WHAT))
@pytest.mark.parametrize("contender", ["asyncio", "sluiceway-pure"])
def test_short_tls_records_arrive_and_are_measured(contender: str, what: str) -> None:
    result = growth.measured(short_records.command(contender, what, 100), short_records.CONTENDERS[contender][1])
    assert list(result) == ["ns_per_record"]


def test_command_runs_saves_and_reports_study(tmp_path: pathlib.Path) -> None:
    runner = click.testing.CliRunner()
    arguments = ["run", "--scenario", "import-time", "--rounds", "2", "--output", str(tmp_path)]
    done = runner.invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    assert "- sluiceway-pure: import ms" in done.output
    (saved,) = running.load_all(tmp_path).values()
    assert {len(readings) for readings in saved.samples.values()} == {2}
    assert all(each["import_ms"] > 0.1 for each in saved.samples["sluiceway-pure"])
    assert str(pathlib.Path.cwd()) not in (tmp_path / "import-time.json").read_text()
    report = runner.invoke(command.main, ["report", "--no-chart", "--results", str(tmp_path)])
    assert "## import-time: " in report.output
    assert "## import-time: " in (tmp_path / "tables.md").read_text()


def study(*goals: Goal) -> Study:
    return Study(
        "idle",
        "a study",
        lambda quick: ([], {}),
        (Column("bytes_each", "bytes", ".1f"), Column("counted", "counted", ".2f")),
        goals,
        6,
        3,
        ("asyncio", "sluiceway"),
        "bytes_each",
    )


def readings(**rows: list[float]) -> Readings:
    samples: dict[str, list[Reading]] = {name: [{"bytes_each": each} for each in each] for name, each in rows.items()}
    return Readings("idle", {"commit": "0" * 40, "rounds": 6}, {}, samples)


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Goal("sluiceway", "bytes_each", 0.5, "asyncio"), "bytes 0.400 of asyncio's (0.400 to 0.400, at 97%)"),
        (
            Goal("sluiceway", "bytes_each", -5, "asyncio", "more"),
            "bytes -6.0 more than asyncio's (-6.0 to -6.0, at 97%)",
        ),
        (Goal("sluiceway", "bytes_each", 4), "bytes 4.0 (4.0 to 4.0, at 97%)"),
    ],
)
def test_goal_is_judged_for_row_alone_or_against_other_row(goal: Goal, text: str) -> None:
    (line,) = reporting.judged(readings(sluiceway=[4.0] * 6, asyncio=[10.0] * 6), study(goal))
    assert line == f"- sluiceway: {text}; target at most {goal.at_most:.4g}: **met**"
    (line,) = reporting.judged(readings(sluiceway=[9.0] * 6, asyncio=[10.0] * 6), study(goal))
    assert line.endswith("**MISSED**")


def test_goal_of_unmeasured_row_is_not_judged() -> None:
    goals = [Goal("sluiceway", "bytes_each", 1, "asyncio"), Goal("asyncio", "bytes_each", 1)]
    assert reporting.judged(readings(sluiceway=[1.0]), study(*goals)) == []


def test_constant_figure_is_measured_once_and_shown_without_interval(tmp_path: pathlib.Path) -> None:
    calls = []

    def once() -> Reading:
        calls.append(1)
        return {"counted": 2.0}

    def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
        return [Row("sluiceway at 1", lambda: {"bytes_each": 1.0}, ("run",), once)], {"go": "go is not installed"}

    each = Study(
        "idle", "", rows, study().columns, (Goal("sluiceway at 1", "counted", 2),), 3, 3, ("sluiceway",), "counted"
    )
    result = running.run(each, None, 3, False, lambda what: None)
    assert len(calls) == 1
    assert result.samples["sluiceway at 1"] == [
        {"bytes_each": 1.0, "counted": 2.0},
        {"bytes_each": 1.0},
        {"bytes_each": 1.0},
    ]
    assert reporting.table(result, each)[1] == ["sluiceway at 1", "1.0", "2.00", "1.00 (1.00 to 1.00)"]
    assert reporting.judged(result, each) == ["- sluiceway at 1: counted 2.00; target at most 2: **met**"]
    result.save(tmp_path)
    assert running.load_all(tmp_path) == {"idle": result}


def test_row_is_compared_with_sluiceway_row_of_same_number() -> None:
    assert reporting.ours("asyncio") == "sluiceway"
    assert reporting.ours("asyncio at 16") == "sluiceway at 16"


def test_only_selected_contenders_are_measured() -> None:
    def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
        return [Row(name, lambda: {"bytes_each": 1.0}, ()) for name in ("asyncio at 1", "sluiceway at 1")], {"go": "no"}

    each = Study("idle", "", rows, study().columns, (), 3, 3, ("asyncio", "sluiceway"), "bytes_each")
    result = running.run(each, ["asyncio"], 1, False, lambda what: None)
    assert list(result.samples) == ["asyncio at 1"]
    assert result.missing == {}


def test_goal_names_contender_and_figure_of_its_study() -> None:
    for each in STUDIES:
        for goal in each.goals:
            assert goal.figure in {column.figure for column in each.columns}, each.name
            for name in filter(None, (goal.row, goal.other)):
                assert name.partition(" at ")[0] in each.contenders, each.name


def test_difference_is_computed_for_each_round() -> None:
    result = more([11.0, 22.0, 13.0], [1.0, 12.0, 3.0])
    assert (result.low, result.median, result.high) == (10.0, 10.0, 10.0)
