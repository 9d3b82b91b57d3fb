"""The studies measure what they say, and the report says what they measured."""

import pathlib
import socket
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
def test_idle_connections_take_memory(name: str) -> None:
    if name in {"c", "go"}:
        require_program("gcc" if name == "c" else "go", None if name == "c" else "golang")
    contender = contender_named(name)
    found = idle.measured(contender, contender.command(idle.lines()), 300, 0.05)
    # Each has a buffer or objects of its own, and none has a megabyte.
    assert 512 < found["bytes_each"] < 64 * KIB
    assert list(found) == ["bytes_each", "idle_cpu_ms"]


@pytest.mark.parametrize("name", ["asyncio", "sluiceway-pure"])
def test_idle_connections_with_tls_take_memory_and_a_burst_on_each_is_answered(name: str) -> None:
    contender = contender_named(name)
    command = contender.command(scenario_named("tls-lines"))
    found = idle.measured(contender, command, 300, 0.05, certificates.identity().authority, 64 * KIB)
    # OpenSSL alone needs more than this for each; so many of them that what the first has left free weighs nothing.
    assert 8 * KIB < found["bytes_each"] < 1024 * KIB
    assert -256 * KIB < found["left_each"] < 512 * KIB


@pytest.mark.parametrize("name", ["asyncio", "sluiceway-pure"])
def test_fresh_clients_visit_a_server_that_holds_others(name: str) -> None:
    contender = contender_named(name)
    found = tls_held.measured(contender, contender.command(scenario_named("tls-lines")), 20, 50)
    assert 0 < found["empty_p99_us"] < 10e6
    assert found["times"] == found["held_p99_us"] / found["empty_p99_us"]


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: b"y" + line[1:]])
def test_a_burst_that_is_answered_wrongly_is_seen(change: Callable[[bytes], bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(change(idle_client.LINE) + idle_client.LINE)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ValueError, match="an answer is wrong"):
            idle_client.have_answered([ours], 2 * len(idle_client.LINE))


def test_a_burst_that_is_not_answered_whole_is_seen() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(idle_client.LINE)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="the server closed"):
            idle_client.have_answered([ours], 2 * len(idle_client.LINE))


def test_the_rows_of_idle_tls_are_each_contender_in_each_number_and_with_bursts() -> None:
    found, _ = tls_idle.rows(quick=False)
    names = [row.name for row in found if row.contender == "asyncio"]
    assert names == ["asyncio at 1000", "asyncio at 5000", "asyncio at 200, with bursts"]
    assert reporting.ours(names[-1]) == "sluiceway at 200, with bursts"


@pytest.mark.parametrize("chunk", [1, 100, 65536])
@pytest.mark.parametrize("contender", list(growth.CONTENDERS))
def test_a_record_arrives_whole_and_is_counted(contender: str, chunk: int) -> None:
    variables = PURE if contender == "sluiceway-pure" else {}
    size = 200_000
    for what, one in growth.commands(contender, chunk, size).items():
        found = growth.measured(one, variables)
        assert list(found) == [{"time": "ns_per_byte"}.get(what, what)]
        if what == "held":
            assert 1 <= found["held"] < 3
        elif what == "looked":
            assert 1 <= found["looked"] <= 2
        else:
            assert found["ns_per_byte"] > 0


@pytest.mark.parametrize("carrier", list(write_growth.WRITES))
@pytest.mark.parametrize("contender", ["asyncio", "sluiceway-pure"])
def test_queued_writes_arrive_and_their_cost_is_shown(contender: str, carrier: str) -> None:
    found = growth.measured(write_growth.command(contender, carrier, 2000), write_growth.CONTENDERS[contender][1])
    assert list(found) == ["ns_per_write", "growth"]


def test_a_study_is_run_kept_and_shown_by_the_command(tmp_path: pathlib.Path) -> None:
    runner = click.testing.CliRunner()
    arguments = ["run", "--scenario", "import-time", "--rounds", "2", "--output", str(tmp_path)]
    done = runner.invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    assert "- sluiceway-pure: import ms" in done.output
    (kept,) = running.load_all(tmp_path).values()
    assert {len(readings) for readings in kept.samples.values()} == {2}
    assert all(one["import_ms"] > 0.1 for one in kept.samples["sluiceway-pure"])
    assert str(pathlib.Path.cwd()) not in (tmp_path / "import-time.json").read_text()
    shown = runner.invoke(command.main, ["report", "--no-chart", "--results", str(tmp_path)])
    assert "## import-time: " in shown.output
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
    samples: dict[str, list[Reading]] = {name: [{"bytes_each": one} for one in each] for name, each in rows.items()}
    return Readings("idle", {"commit": "0" * 40, "rounds": 6}, {}, samples)


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (Goal("sluiceway", "bytes_each", 0.5, "asyncio"), "bytes 0.400 of asyncio's (0.400 to 0.400, at 97%)"),
        (
            Goal("sluiceway", "bytes_each", -5, "asyncio", "more"),
            "bytes -6.0 more than asyncio's (-6.0 to -6.0, at 97%)",
        ),
        (Goal("sluiceway", "bytes_each", 4), "bytes 4.0 (4.0 to 4.0, at 97%)"),
    ],
)
def test_a_goal_is_of_a_row_by_itself_or_beside_another(goal: Goal, said: str) -> None:
    (line,) = reporting.judged(readings(sluiceway=[4.0] * 6, asyncio=[10.0] * 6), study(goal))
    assert line == f"- sluiceway: {said}, wanted at most {goal.at_most:.4g}: **met**"
    (line,) = reporting.judged(readings(sluiceway=[9.0] * 6, asyncio=[10.0] * 6), study(goal))
    assert line.endswith("**MISSED**")


def test_a_goal_whose_rows_were_not_measured_is_not_judged() -> None:
    goals = [Goal("sluiceway", "bytes_each", 1, "asyncio"), Goal("asyncio", "bytes_each", 1)]
    assert reporting.judged(readings(sluiceway=[1.0]), study(*goals)) == []


def test_what_is_the_same_in_every_round_is_measured_once_and_shown_without_interval(tmp_path: pathlib.Path) -> None:
    counted = []

    def once() -> Reading:
        counted.append(1)
        return {"counted": 2.0}

    def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
        return [Row("sluiceway at 1", lambda: {"bytes_each": 1.0}, ("run",), once)], {"go": "go is not installed"}

    one = Study(
        "idle", "", rows, study().columns, (Goal("sluiceway at 1", "counted", 2),), 3, 3, ("sluiceway",), "counted"
    )
    found = running.run(one, None, 3, False, lambda what: None)
    assert len(counted) == 1
    assert found.samples["sluiceway at 1"] == [
        {"bytes_each": 1.0, "counted": 2.0},
        {"bytes_each": 1.0},
        {"bytes_each": 1.0},
    ]
    assert reporting.table(found, one)[1] == ["sluiceway at 1", "1.0", "2.00", "1.00 (1.00 to 1.00)"]
    assert reporting.judged(found, one) == ["- sluiceway at 1: counted 2.00, wanted at most 2: **met**"]
    found.save(tmp_path)
    assert running.load_all(tmp_path) == {"idle": found}


def test_each_row_stands_beside_the_one_of_ours_with_its_number() -> None:
    assert reporting.ours("asyncio") == "sluiceway"
    assert reporting.ours("asyncio at 16") == "sluiceway at 16"


def test_only_the_contenders_that_are_asked_for_are_measured() -> None:
    def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
        return [Row(name, lambda: {"bytes_each": 1.0}, ()) for name in ("asyncio at 1", "sluiceway at 1")], {"go": "no"}

    one = Study("idle", "", rows, study().columns, (), 3, 3, ("asyncio", "sluiceway"), "bytes_each")
    found = running.run(one, ["asyncio"], 1, False, lambda what: None)
    assert list(found.samples) == ["asyncio at 1"]
    assert found.missing == {}


def test_each_goal_speaks_of_a_contender_and_a_figure_of_its_study() -> None:
    for one in STUDIES:
        for goal in one.goals:
            assert goal.figure in {column.figure for column in one.columns}, one.name
            for name in filter(None, (goal.row, goal.other)):
                assert name.partition(" at ")[0] in one.contenders, one.name


def test_a_difference_is_taken_round_by_round() -> None:
    found = more([11.0, 22.0, 13.0], [1.0, 12.0, 3.0])
    assert (found.low, found.median, found.high) == (10.0, 10.0, 10.0)
