"""Each contender answers correctly in each scenario; the load generator checks every byte."""

import dataclasses
import importlib.util
import itertools

import pytest

from benchmarks import measure
from benchmarks.contenders import Contender, contender_named
from benchmarks.scenarios import Scenario, scenario_named
from support.benchmark_samples import sample_until_active
from support.external_programs import require_headers, require_program, skip_missing

# Each server program in every scenario; on other loops and with the pure core, the first scenario shows that it starts.
PROGRAMS = ("c", "go", "asyncio", "sluiceway")
VARIANTS = ("uvloop", "sluiceway-pure")
TLS_PROGRAMS = ("go", "asyncio", "asyncio-protocols", "sluiceway")
TLS_VARIANTS = ("uvloop", "uvloop-protocols", "sluiceway-pure")
SCENARIOS = ("lines-64", "pingpong", "pipelined", "frames", "blocks", "sink", "source", "connect")
TLS_SCENARIOS = ("tls-lines", "tls-sink", "tls-source", "tls-handshakes", "tls-resumed")


def cases(programs: tuple[str, ...], variants: tuple[str, ...], scenarios: tuple[str, ...]) -> list[tuple[str, str]]:
    return [*itertools.product(programs, scenarios), *((variant, scenarios[0]) for variant in variants)]


def contender(name: str) -> Contender:
    result = contender_named(name)
    if result.language == "c":
        require_program("gcc")
    if result.language == "go":
        require_program("go", "golang")
    if name == "sluiceway" and importlib.util.find_spec("sluiceway._transports.epoll.stream_socket") is None:
        skip_missing("the engine is not installed")
    return result


def require_load_generator() -> None:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")


def small_scenario(name: str) -> Scenario:
    return dataclasses.replace(scenario_named(name), connections=3)


@pytest.mark.parametrize(("name", "scenario"), cases(PROGRAMS, VARIANTS, SCENARIOS))
def test_contender_returns_every_byte(name: str, scenario: str) -> None:
    require_load_generator()
    selected = contender(name)
    scenario_used = small_scenario(scenario)
    result = sample_until_active(
        lambda seconds: measure.server_sample(
            selected.command(scenario_used), selected.variables, scenario_used, 0.02, seconds
        )
    )
    assert result.bytes > 0
    assert result.cpu_seconds > 0
    assert result.seconds >= 0.05


@pytest.mark.parametrize(("name", "scenario"), cases(TLS_PROGRAMS, TLS_VARIANTS, TLS_SCENARIOS))
def test_contender_returns_every_byte_over_tls(name: str, scenario: str) -> None:
    require_load_generator()
    selected, full_scenario = contender(name), small_scenario(scenario)
    scenario_used = dataclasses.replace(full_scenario, size=min(full_scenario.size, 256 * 1024))
    result = sample_until_active(
        lambda seconds: measure.server_sample(
            selected.command(scenario_used), selected.variables, scenario_used, 0.05, seconds
        )
    )
    assert result.bytes > 0
    assert result.cpu_seconds > 0


def test_contender_without_tls_is_left_out_of_tls_scenarios() -> None:
    for name in ("c", "trio", "anyio"):
        assert contender_named(name).runs(scenario_named("lines-64"))
        assert not contender_named(name).runs(scenario_named("tls-lines"))


def test_buffering_go_server_answers_whole_batches() -> None:
    require_load_generator()
    selected, scenario_used = contender_named("go-buffered"), small_scenario("pipelined")
    require_program("go", "golang")
    result = sample_until_active(
        lambda seconds: measure.server_sample(
            selected.command(scenario_used), selected.variables, scenario_used, 0.02, seconds
        )
    )
    assert result.messages > 0
    assert result.messages % scenario_used.batch == 0


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "sluiceway", "sluiceway-pure"])
def test_client_receives_its_answers(name: str) -> None:
    require_program("gcc")
    selected, scenario_used = contender(name), small_scenario("client")
    result = sample_until_active(
        lambda seconds: measure.client_sample(
            selected.command(scenario_used), selected.variables, scenario_used, 0.05, seconds
        )
    )
    assert result.messages > 0
    assert result.bytes == result.messages * scenario_used.size
