"""redis.asyncio on sluiceway, against a real server (contract S12)."""

import asyncio
import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import sluiceway
from dropin.import_order import IMPORT_ORDERS, import_in_order
from dropin.traffic_counter import Traffic, count_traffic
from support.certificates import Certificates
from support.redis_server import start_redis_server

pytestmark = pytest.mark.loops("asyncio", "uvloop")

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Places:
    """Where the server listens, as keywords of redis.asyncio's connections."""

    unix: dict[str, Any]
    tcp: dict[str, Any]
    tls: dict[str, Any]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory, tls: Certificates) -> Iterator[Places]:
    with short_link(tmp_path_factory.mktemp("redis")) as directory:
        with start_redis_server(directory, tls, f"unixsocket {directory}/s", "tls-auth-clients no") as (port, tls_port):
            yield Places(
                {"path": f"{directory}/s"},
                {"host": "127.0.0.1", "port": port},
                {"host": "localhost", "port": tls_port, "ssl_ca_certs": tls.ca_file},
            )


@contextlib.contextmanager
def short_link(directory: pathlib.Path) -> Iterator[str]:
    """A short name for a directory: the path of a Unix socket has room for about 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as parent:
        link = pathlib.Path(parent, "d")
        link.symlink_to(directory)
        yield str(link)


@dataclasses.dataclass(frozen=True)
class Variant:
    parser: str
    place: str
    order: str

    def __str__(self) -> str:
        return f"{self.parser} over {self.place}: {self.order}"


VARIANTS = [
    Variant("hiredis", "unix", IMPORT_ORDERS[0]),
    Variant("pure", "tcp", IMPORT_ORDERS[0]),
    Variant("pure", "tls", IMPORT_ORDERS[0]),
    Variant("hiredis", "tcp", IMPORT_ORDERS[1]),
    Variant("pure", "unix", IMPORT_ORDERS[1]),
]


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@contextlib.asynccontextmanager
async def client_of(server: Places, variant: Variant, **options: Any) -> AsyncIterator[Any]:
    """A client of redis.asyncio, emptied database, with sluiceway installed meanwhile."""
    library = import_in_order("redis.asyncio", variant.order)
    parsers = import_in_order("redis._parsers", variant.order)
    connection = import_in_order("redis.asyncio.connection", variant.order)
    parser = parsers._AsyncHiredisParser if variant.parser == "hiredis" else parsers._AsyncRESP2Parser
    kind = {
        "unix": connection.UnixDomainSocketConnection,
        "tcp": connection.Connection,
        "tls": connection.SSLConnection,
    }[variant.place]
    with sluiceway.installed():
        pool = library.BlockingConnectionPool(
            connection_class=kind, parser_class=parser, protocol=2, **getattr(server, variant.place), **options
        )
        client = library.Redis.from_pool(pool)
        try:
            await client.flushall()
            yield client
        finally:
            await client.aclose()


def proven(traffic: Traffic, *, read: int, written: int) -> None:
    """At least so much went through sluiceway, and nothing through asyncio's own classes."""
    assert traffic.bytes_read >= read
    assert traffic.bytes_written >= written
    assert traffic.asyncio_calls == 0


async def test_values_and_pipelines(redis_server: Places, variant: Variant) -> None:
    value = bytes(range(256)) * (MIB // 256)
    with count_traffic() as traffic:
        async with client_of(redis_server, variant) as client:
            await client.set("value", value)
            assert await client.get("value") == value
            for transaction in (True, False):
                async with client.pipeline(transaction=transaction) as pipeline:
                    for number in range(300):
                        pipeline.set(f"key {number}", str(number) * 10)
                    for number in range(300):
                        pipeline.get(f"key {number}")
                    answers = await pipeline.execute()
                assert answers == [True] * 300 + [(str(number) * 10).encode() for number in range(300)]
            assert await client.mget(f"key {number}" for number in range(3)) == [b"0" * 10, b"1" * 10, b"2" * 10]
    proven(traffic, read=MIB, written=MIB)


async def test_published_messages_arrive_in_order(redis_server: Places, variant: Variant) -> None:
    with count_traffic() as traffic:
        async with client_of(redis_server, variant) as client, client.pubsub() as subscriber:
            await subscriber.subscribe("news")
            assert (await subscriber.get_message(timeout=10))["type"] == "subscribe"
            for number in range(100):
                assert await client.publish("news", f"{number} " + "x" * 1000) == 1
            for number in range(100):
                message = await subscriber.get_message(ignore_subscribe_messages=True, timeout=10)
                assert message["data"] == f"{number} ".encode() + b"x" * 1000
            # Nothing there: a read that is given up takes nothing from the next message.
            assert await subscriber.get_message(timeout=0.01) is None
            await client.publish("news", "last")
            assert (await subscriber.get_message(timeout=10))["data"] == b"last"
    proven(traffic, read=100_000, written=100_000)


async def blocked(client: Any, count: int) -> None:
    """Wait until the server has so many clients in a blocking command."""
    while (await client.info("clients"))["blocked_clients"] != count:
        await asyncio.sleep(0)


async def test_a_blocking_pop_can_time_out_and_be_cancelled(redis_server: Places, variant: Variant) -> None:
    with count_traffic() as traffic:
        async with client_of(redis_server, variant) as client:
            assert await client.blpop("queue", timeout=0.01) is None
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await blocked(client, 1)
            popping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await popping
            # The cancelled one is gone for the server too, so it takes no item from those who come after it.
            await blocked(client, 0)
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await blocked(client, 1)
            await client.rpush("queue", "item")
            assert await popping == (b"queue", b"item")
            assert await client.llen("queue") == 0
    proven(traffic, read=1, written=1)


async def test_many_tasks_share_a_few_connections(redis_server: Places, variant: Variant) -> None:
    async def count(client: Any, name: int) -> None:
        for _ in range(5):
            await client.incr("shared")
            assert await client.incr(f"mine {name}") > 0

    with count_traffic() as traffic:
        async with client_of(redis_server, variant, max_connections=8) as client:
            async with asyncio.TaskGroup() as tasks:
                for name in range(30):
                    tasks.create_task(count(client, name))
            assert await client.get("shared") == b"150"
            assert await client.get("mine 29") == b"5"
    proven(traffic, read=150, written=150)


async def test_a_connection_that_the_server_cuts_is_told_and_replaced(redis_server: Places, variant: Variant) -> None:
    errors = import_in_order("redis.exceptions", variant.order)
    retry = import_in_order("redis.asyncio.retry", variant.order).Retry
    never = import_in_order("redis.backoff", variant.order).NoBackoff()
    with count_traffic() as traffic:
        async with client_of(redis_server, variant, retry=retry(never, 0)) as client:
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await blocked(client, 1)
            await client.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(errors.ConnectionError):
                await popping
            assert await client.ping()
    proven(traffic, read=1, written=1)
