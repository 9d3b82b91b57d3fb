"""The numeric constants of sluiceway. The text below each constant states its unit and the reason for its value."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

DEFAULT_LIMIT: Final = 64 * KIB
"""The default limit of a reader in bytes, as in asyncio: the longest line. A reader pauses its transport when more
than twice as much is buffered."""

UNBOUNDED_LIMIT: Final = 1 << 60
"""The limit in bytes that stands for ``math.inf``. Twice this value fits in a signed 64-bit integer."""

EVERYTHING: Final = 1 << 61
"""The number of bytes that a waiting ``read(-1)`` needs, and the most that any read needs: a greater ``n`` counts as
this number. No buffer reaches it, and its sum with twice a limit fits in a signed 64-bit integer."""

READ_ALL_MAXIMUM: Final = 16 * 1024 * KIB
"""The default for the greatest number of bytes that ``Stream.read_all()`` accepts."""

FRAME_MAXIMUM: Final = 1024 * KIB
"""The default for the greatest size of a frame in bytes, without its length prefix."""

SCRATCH_SIZE: Final = 256 * KIB
"""The most bytes that one receive into the shared buffer accepts, as in asyncio. All connections of a loop share one
buffer of this size, except on Windows."""

MINIMUM_RECEIVE: Final = 4 * KIB
"""The smallest number of bytes that a receive has room for. A reader's buffer can exceed its bound by this number."""

MERGE_BELOW: Final = 8 * KIB
"""Received data is appended to the previous chunk if one of the two has fewer bytes than this, and both together have
at most TAIL_MAXIMUM.

Each chunk costs about 50 bytes besides its payload. Contract R3 allows 32 KiB for that, which smaller chunks would
exceed."""

CHUNK_COST: Final = 48
"""The bytes of memory that a chunk takes besides its data: the header of a bytes object and a slot in the queue."""

FREE_CHUNK_COST: Final = 20 * KIB
"""The overhead of chunks, in bytes, that does not count towards a reader's bound.

Together with the spare capacity of the last chunk, the overhead stays within the 32 KiB of contract R3
(docs/explanation/contracts.md)."""

TAIL_MAXIMUM: Final = 32 * KIB
"""The greatest size in bytes of a chunk to which data is appended. Such a chunk is a bytearray, which allocates an
eighth more than its length."""

CLOSE_TIMEOUT: Final = 30.0
"""The default close timeout in seconds. A closing connection is aborted after one to two times this time in which the
kernel has accepted no data and the peer has acknowledged none."""

COLLECTION_SECONDS: Final = 1.0
"""How long a loop waits, in seconds, for the end of a collection that another thread runs.

It may be that no collection is running: a weak reference does not show whether the collector has cleared it."""

TIMEOUT_RESOLUTION: Final = 0.05
"""The most seconds by which a ``timeout=`` or deadline of a Stream is late while the loop is not blocked.

It is never early. The timer of the loop runs at most twice in this time, and only while a time limit is running."""

IDLE_CHECKS: Final = 4
"""The number of checks in each idle timeout. A connection is aborted up to one check after its idle timeout;
each check is up to TIMEOUT_RESOLUTION late."""

RATE_CHECKS: Final = 4
"""The number of checks in each ``seconds`` whether the credit of ``deadline(seconds, min_rate=)`` is used up."""

LINGER_MAXIMUM: Final = 64 * KIB * KIB
"""The most bytes that a lingering close, or any close of a TLS connection, receives and discards: 64 MiB."""

FILE_PIECE: Final = 256 * KIB
"""The most bytes of a file that ``sendfile()`` reads or lets the kernel copy at a time, before other tasks run."""

DEFAULT_BACKLOG: Final = (1 << 31) - 1
"""The number of connections that the kernel queues before the server accepts them: the largest value for listen(2).

Every system reduces the value to its own maximum (Linux: net.core.somaxconn, by default 4096). Windows treats it as
SOMAXCONN. A client that finds the queue full waits one second until the SYN is retransmitted, so asyncio's 100 delays
larger bursts. The queue takes memory only for the connections in it."""

CHILD_STOP_TIMEOUT: Final = 5.0
"""The default number of seconds in which a child process may end, after its streams are closed and again after SIGTERM.
"""

LOST_STATUS: Final = 255
"""The exit status of a child process whose own was lost. asyncio reports the same."""

ACCEPT_BATCH: Final = 64
"""The most connections that a listener accepts in one iteration of the loop. It accepts others in the next
iteration."""

ACCEPT_RETRY_DELAY: Final = 1.0
"""The seconds that a listener pauses when the system has no descriptor or memory left, as in asyncio."""

FIRST_ADDRESS_FAMILY_COUNT: Final = 1
"""The number of addresses of the preferred family (IPv4 or IPv6) that are tried before one of the other family (RFC
8305, section 4)."""

HAPPY_EYEBALLS_DELAY: Final = 0.25
"""The seconds after which connect() tries the next address; at once if an attempt fails earlier (RFC 8305, section
5)."""

FREE_OPERATIONS: Final = 256
"""The number of consecutive reads and drains of a connection that may complete without a wait. The next one yields to
the event loop first.

A sequence of drains without reads yields after twice as many. Without this number, a coroutine that never waits would
starve the other tasks (tokio's budget is 128). 256 lets a batch of 100 pipelined requests, each read and answered,
complete in one step."""

DIRECT_BUFFER_MINIMUM: Final = 32 * KIB
"""A waiting ``readexactly(n)`` that lacks at least this many bytes receives them directly into its result
(DirectBuffer).

For fewer bytes, a copy costs less than an additional system call: a direct receive ends after the missing bytes, even
if more data is available."""

DIRECT_BUFFER_AHEAD: Final = 1024 * KIB
"""The most bytes that a DirectBuffer allocates before data arrives, whatever the limit of the reader.

The peer usually chooses ``n`` of ``readexactly(n)``, and could otherwise make the program allocate any amount."""

BLOCK_MINIMUM: Final = 16 * KIB
"""A waiting ``read(n)`` receives directly into the bytes object that it returns (Block) if both ``n`` and the previous
receive are at least this many bytes. The Block has at most SCRATCH_SIZE bytes, whatever ``n`` and the limit are."""

STEPPER_ATTRIBUTE: Final = "_sluiceway_stepper"
"""The attribute of a loop that refers to the Stepper for the loop's own transports."""

POLLER_ATTRIBUTE: Final = "_sluiceway_poller"
"""The attribute of a loop that refers to the loop's Poller."""

TLS_HANDSHAKE_TIMEOUT: Final = 60.0
"""The default time limit of a TLS handshake in seconds, as in asyncio. A handshake that takes longer is aborted."""

HANDSHAKE_LOG_INTERVAL: Final = 60.0
"""The seconds within which a server logs failed TLS handshakes of one peer for one reason only once."""

HANDSHAKE_LOG_LINES: Final = 20
"""The most failed handshakes that a server logs within HANDSHAKE_LOG_INTERVAL. Any host can cause such failures."""

TLS_SHUTDOWN_TIMEOUT: Final = 30.0
"""The default number of seconds that closing waits for the peer's close_notify alert, as in asyncio.

The time starts when all written data has been sent. After it, the connection is aborted."""

TLS_PLAINTEXT: Final = 16 * KIB
"""The most bytes of plaintext in one TLS record (RFC 8446, section 5.1)."""
