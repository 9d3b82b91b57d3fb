"""S12: redis.asyncio runs on sluiceway with a real server."""

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
from support.timeouts import PEER_TIMEOUT

pytestmark = pytest.mark.loops("asyncio", "uvloop")

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class ServerAddresses:
    """Where the server listens, as keywords of redis.asyncio's connections."""

    unix: dict[str, Any]
    tcp: dict[str, Any]
    tls: dict[str, Any]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory, tls: Certificates) -> Iterator[ServerAddresses]:
    with short_symlink(tmp_path_factory.mktemp("redis")) as directory:
        with start_redis_server(directory, tls, f"unixsocket {directory}/s", "tls-auth-clients no") as (port, tls_port):
            yield ServerAddresses(
                {"path": f"{directory}/s"},
                {"host": "127.0.0.1", "port": port},
                {"host": "localhost", "port": tls_port, "ssl_ca_certs": tls.ca_file},
            )


@contextlib.contextmanager
def short_symlink(directory: pathlib.Path) -> Iterator[str]:
    """Yield a short path of a directory: the path of a Unix socket has at most about 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as parent:
        link = pathlib.Path(parent, "d")
        link.symlink_to(directory)
        yield str(link)


@dataclasses.dataclass(frozen=True)
class Variant:
    parser: str
    transport: str
    order: str

    def __str__(self) -> str:
        return f"{self.parser} over {self.transport}: {self.order}"


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
async def redis_client(server: ServerAddresses, variant: Variant, **options: Any) -> AsyncIterator[Any]:
    """Yield a client of redis.asyncio with an empty database, while sluiceway is installed."""
    library = import_in_order("redis.asyncio", variant.order)
    parsers = import_in_order("redis._parsers", variant.order)
    connection = import_in_order("redis.asyncio.connection", variant.order)
    parser = parsers._AsyncHiredisParser if variant.parser == "hiredis" else parsers._AsyncRESP2Parser
    kind = {
        "unix": connection.UnixDomainSocketConnection,
        "tcp": connection.Connection,
        "tls": connection.SSLConnection,
    }[variant.transport]
    with sluiceway.installed():
        pool = library.BlockingConnectionPool(
            connection_class=kind, parser_class=parser, protocol=2, **getattr(server, variant.transport), **options
        )
        client = library.Redis.from_pool(pool)
        try:
            await client.flushall()
            yield client
        finally:
            await client.aclose()


def check_traffic(traffic: Traffic, *, read: int, written: int) -> None:
    """Check that at least this much went through sluiceway, and nothing through asyncio's own classes."""
    assert traffic.bytes_read >= read
    assert traffic.bytes_written >= written
    assert traffic.asyncio_calls == 0


async def test_values_and_pipelines_return_what_was_set(redis_server: ServerAddresses, variant: Variant) -> None:
    value = bytes(range(256)) * (MIB // 256)
    with count_traffic() as traffic:
        async with redis_client(redis_server, variant) as client:
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
    check_traffic(traffic, read=MIB, written=MIB)


async def test_published_messages_arrive_in_order_after_timed_out_read(
    redis_server: ServerAddresses, variant: Variant
) -> None:
    with count_traffic() as traffic:
        async with redis_client(redis_server, variant) as client:
            async with client.pubsub() as subscriber:
                await subscriber.subscribe("news")
                assert (await subscriber.get_message(timeout=PEER_TIMEOUT))["type"] == "subscribe"
                for number in range(100):
                    assert await client.publish("news", f"{number} " + "x" * 1000) == 1
                for number in range(100):
                    message = await subscriber.get_message(ignore_subscribe_messages=True, timeout=PEER_TIMEOUT)
                    assert message["data"] == f"{number} ".encode() + b"x" * 1000
                # R1: a read that times out takes nothing from the next message.
                assert await subscriber.get_message(timeout=0.01) is None
                await client.publish("news", "last")
                assert (await subscriber.get_message(timeout=PEER_TIMEOUT))["data"] == b"last"
                writer = subscriber.connection._writer
            # The PubSub closes it, and does not wait for the peer's close_notify.
            await writer.wait_closed()
    check_traffic(traffic, read=100_000, written=100_000)


async def wait_for_blocked_clients(client: Any, count: int) -> None:
    """Wait until the server has this many clients in a blocking command."""
    while (await client.info("clients"))["blocked_clients"] != count:
        await asyncio.sleep(0)


async def test_timed_out_or_cancelled_blocking_pop_takes_no_item(
    redis_server: ServerAddresses, variant: Variant
) -> None:
    with count_traffic() as traffic:
        async with redis_client(redis_server, variant) as client:
            assert await client.blpop("queue", timeout=0.01) is None
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await wait_for_blocked_clients(client, 1)
            popping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await popping
            # The cancelled command has ended for the server too, so it takes no item from later ones.
            await wait_for_blocked_clients(client, 0)
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await wait_for_blocked_clients(client, 1)
            await client.rpush("queue", "item")
            assert await popping == (b"queue", b"item")
            assert await client.llen("queue") == 0
    check_traffic(traffic, read=1, written=1)


async def test_many_tasks_share_few_connections(redis_server: ServerAddresses, variant: Variant) -> None:
    async def count(client: Any, name: int) -> None:
        for _ in range(5):
            await client.incr("shared")
            assert await client.incr(f"mine {name}") > 0

    with count_traffic() as traffic:
        async with redis_client(redis_server, variant, max_connections=8) as client:
            async with asyncio.TaskGroup() as tasks:
                for name in range(30):
                    tasks.create_task(count(client, name))
            assert await client.get("shared") == b"150"
            assert await client.get("mine 29") == b"5"
    check_traffic(traffic, read=150, written=150)


async def test_connection_closed_by_server_raises_and_is_replaced(
    redis_server: ServerAddresses, variant: Variant
) -> None:
    errors = import_in_order("redis.exceptions", variant.order)
    retry = import_in_order("redis.asyncio.retry", variant.order).Retry
    never = import_in_order("redis.backoff", variant.order).NoBackoff()
    with count_traffic() as traffic:
        async with redis_client(redis_server, variant, retry=retry(never, 0)) as client:
            popping = asyncio.ensure_future(client.blpop("queue", timeout=0))
            await wait_for_blocked_clients(client, 1)
            await client.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(errors.ConnectionError):
                await popping
            assert await client.ping()
    check_traffic(traffic, read=1, written=1)
