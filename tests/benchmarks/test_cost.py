"""`make cost`: which figures have grown or need a reason, the parsing of valgrind's output, and small measurements."""

import dataclasses
import pathlib
import subprocess
from collections import Counter

import pytest

from benchmarks.cost import commits, figures, machine
from benchmarks.cost.callgrind import measure
from benchmarks.cost.counts import Cost, calls_of, instructions_of
from benchmarks.cost.figures import Figures, grown, unexplained
from benchmarks.cost.lockstep import FailedError
from benchmarks.cost.package import ASYNCIO, Package, name_in
from benchmarks.cost.profile import SHOWN, functions_of
from benchmarks.cost.profile import table as profile_table
from benchmarks.cost.scenarios import SCENARIOS, scenario_named
from benchmarks.cost.table import table
from support.external_programs import require_headers, require_program

BEFORE = {"lines-64": Cost(10000.0, 2.0)}
MACHINE = {"interpreter": "3.11.7", "machine": "x86_64"}


def stored_figures(instructions: float = 10000.0, why: str = "first", **environment: str) -> Figures:
    return Figures(MACHINE | environment, why, {"lines-64": Cost(instructions, 2.0)}, {})


def test_growth_within_limit_gives_no_line() -> None:
    assert grown(BEFORE, {"lines-64": Cost(10299.0, 2.05)}) == []


def test_grown_instructions_give_line_with_both_figures() -> None:
    assert grown(BEFORE, {"lines-64": Cost(10400.0, 2.0)}) == [
        "lines-64: 10,400 instructions per message, before 10,000 (+4.0 %)"
    ]


def test_grown_instructions_and_calls_give_one_line_each() -> None:
    assert grown(BEFORE, {"lines-64": Cost(20000.0, 3.0)}) == [
        "lines-64: 20,000 instructions per message, before 10,000 (+100.0 %)",
        "lines-64: 3.00 system calls per message, before 2.00 (+50.0 %)",
    ]


def test_first_system_call_of_scenario_counts_as_growth() -> None:
    assert len(grown({"x": Cost(1.0, 0.0)}, {"x": Cost(1.0, 1.0)})) == 1


def test_new_scenario_counts_as_no_growth() -> None:
    assert grown(BEFORE, {"new": Cost(1e9, 100.0)}) == []


def test_lower_figures_count_as_no_growth() -> None:
    assert grown(BEFORE, {"lines-64": Cost(5000.0, 1.0)}) == []


@pytest.mark.parametrize("why", ["first", "", "  "])
def test_risen_figures_without_new_reason_are_unexplained(why: str) -> None:
    assert len(unexplained(stored_figures(), stored_figures(11000.0, why))) == 1


def test_risen_figures_with_new_reason_are_explained() -> None:
    assert unexplained(stored_figures(), stored_figures(11000.0, "checks the separator twice")) == []


def test_slightly_risen_figures_need_no_new_reason() -> None:
    assert unexplained(stored_figures(), stored_figures(10200.0)) == []


def test_figures_of_other_environment_need_new_reason() -> None:
    assert unexplained(stored_figures(), stored_figures(interpreter="3.13.0")) == [
        "the figures are from another environment: interpreter"
    ]
    assert unexplained(stored_figures(), stored_figures(why="measured with 3.13", interpreter="3.13.0")) == []


def test_written_figures_are_read_back() -> None:
    stored = Figures(MACHINE, "first", BEFORE, {"lines-64": Cost(40000.0, 5.125)})
    assert figures.parse(figures.written(stored)) == stored


def test_stored_figures_cover_all_scenarios_and_have_reason() -> None:
    stored = figures.parse(figures.PATH.read_text(encoding="utf-8"))
    assert set(stored.ours) == set(stored.asyncio) == {scenario.name for scenario in SCENARIOS}
    assert stored.why.strip()


def test_stored_read_with_a_timeout_costs_at_most_a_twentieth_more() -> None:
    """D1: the timeout of Stream.read_line(), by the stored figures."""
    stored = figures.parse(figures.PATH.read_text(encoding="utf-8")).ours
    assert stored["timed-read-line"].instructions <= 1.05 * stored["read-line"].instructions


def test_description_of_interpreter_build_has_no_paths() -> None:
    assert machine.without_paths("'--prefix=/opt/python' --enable-shared 'LDFLAGS=-L/opt/lib -s'") == (
        "--prefix --enable-shared LDFLAGS"
    )


def test_machine_differences_include_entries_of_one_machine_only() -> None:
    assert machine.differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": ""}) == ["b", "c"]


def test_instructions_are_totals_of_profile() -> None:
    assert instructions_of(["events: Ir\n", "summary: 7\n", "totals: 1234\n"]) == 1234


def test_profile_without_totals_raises() -> None:
    with pytest.raises(FailedError, match="totals"):
        instructions_of(["events: Ir\n"])


def test_profile_counts_inlined_code_and_clones_with_their_function() -> None:
    annotated = """\
13,666 (100.0%)  PROGRAM TOTALS
 1,200 (50.0%)  Python/ceval.c:_PyEval_EvalFrameDefault [/opt/lib/libpython3.11.so.1.0]
   300 (12.5%)  Include/object.h:_PyEval_EvalFrameDefault
    40 ( 1.7%)  Python/ceval.c:_PyEval_EvalFrameDefault'2 [/opt/lib/libpython3.11.so.1.0]
   500 (20.8%)  ???:0x000000000000bef0 [/package/receiver.cpython-311-x86_64-linux-gnu.so]
"""
    assert functions_of(annotated.splitlines()) == {
        ("_PyEval_EvalFrameDefault", "libpython3.11.so.1.0"): 1540,
        ("0x000000000000bef0", "receiver"): 500,
    }


def test_table_of_profile_ends_with_rest() -> None:
    counts = Counter({f"function {number}": 100 for number in range(SHOWN)} | {"rare": 10, "rarer": 5})
    lines = profile_table(counts, 10)
    assert len(lines) == 2 + SHOWN + 1
    assert lines[2].split("|")[1:-1] == ["           10 ", "    8% ", " function 0 "]
    assert lines[-1].split("|")[1:-1] == ["            2 ", "    1% ", " 2 others "]


def test_only_system_calls_between_marks_are_counted() -> None:
    log = [
        "SYSCALL[7,1](0) sys_read ( 3, 0x1, 1 ) --> [async] ... \n",
        "**7** cost: opened\n",
        "SYSCALL[7,1](232) sys_epoll_wait ( 3, 0x1, 8, -1 ) --> [async] ... \n",
        "SYSCALL[7,1](232) ... [async] --> Success(0x1) \n",
        "SYSCALL[7,1]( 45) sys_recvfrom ( 9, 0x1, 8 )[sync] --> Success(0x8) \n",
        "SYSCALL[7,1](  9) mmap ( 0x0 ) --> [pre-success] Success(0x1) \n",
        "**7** cost: closed\n",
        "SYSCALL[7,1](1) sys_write ( 3, 0x1, 1 ) --> [async] ... \n",
    ]
    assert calls_of(log) == {"epoll_wait": 1, "recvfrom": 1, "mmap": 1}


def test_log_without_marks_raises() -> None:
    with pytest.raises(FailedError, match=r"gate\.c"):
        calls_of(["SYSCALL[7,1](0) sys_read ( 3, 0x1, 1 )\n"])


def test_package_name_and_variables_are_those_of_project_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "old-name"\n')
    assert name_in(tmp_path) == "old_name"
    assert Package(name_in(tmp_path)).variable("ENGINE") == "OLD_NAME_ENGINE"


def test_table_has_line_for_each_scenario() -> None:
    ours = {"lines-64": Cost(9000.0, 2.0), "new": Cost(1.0, 1.0)}
    lines = table(ours, {"lines-64": Cost(45000.0, 2.0)}, BEFORE).splitlines()
    assert lines[2].split() == ["lines-64", "9,000", "45,000", "0.20", "2.00", "2.00", "-10.0", "%", "+0.0", "%"]
    assert lines[3].split() == ["new", "1", "-", "-", "1.00", "-", "new", "new"]


def commit(repository: pathlib.Path, text: str) -> None:
    (repository / "figures.json").write_text(text)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["add", "."], [*author, "commit", "--quiet", "--message", text]):
        subprocess.run(["git", "-C", str(repository), *arguments], check=True)


def test_previous_figures_are_those_before_last_change(tmp_path: pathlib.Path) -> None:
    require_program("git")
    path = tmp_path / "figures.json"
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    commit(tmp_path, "first")
    assert commits.previous_content(path, tmp_path) is None
    commit(tmp_path, "second")
    assert commits.previous_content(path, tmp_path) == "first"
    path.write_text("not committed")
    assert commits.previous_content(path, tmp_path) == "second"


def test_shallow_clone_raises(tmp_path: pathlib.Path) -> None:
    require_program("git")
    whole, shallow = tmp_path / "whole", tmp_path / "shallow"
    subprocess.run(["git", "init", "--quiet", str(whole)], check=True)
    commit(whole, "first")
    commit(whole, "second")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", whole.as_uri(), str(shallow)], check=True)
    with pytest.raises(FailedError, match="shallow"):
        commits.commits_of(shallow / "figures.json", shallow)


def measure_small(name: str, rounds: int) -> Cost:
    require_program("valgrind")
    require_program("gcc")
    require_headers("valgrind/callgrind.h", "valgrind")
    scenario = dataclasses.replace(scenario_named(name), connections=2, warm_up=1, rounds=rounds, layouts=1)
    return measure(ASYNCIO, scenario)


def test_repeated_small_measurement_gives_same_counts() -> None:
    first, second = measure_small("lines-64", 4), measure_small("lines-64", 4)
    assert first.calls == second.calls
    # One epoll_wait for both connections in each of two iterations, a recv and a send for each message.
    assert first.calls == 3.0
    assert first.instructions == pytest.approx(second.instructions, rel=0.005)
    assert 10_000 < first.instructions < 500_000


def test_small_measurement_of_short_connections_counts_calls() -> None:
    assert measure_small("connect", 2).calls > 5


def test_server_without_measured_package_raises() -> None:
    require_program("valgrind")
    require_headers("valgrind/callgrind.h", "valgrind")
    with pytest.raises(FailedError, match="no_such_package"):
        measure(Package("no_such_package"), scenario_named("lines-1"))
