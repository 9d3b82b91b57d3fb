"""The numeric constants of sluiceway, each with its unit and its reason."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

DEFAULT_LIMIT: Final = 64 * KIB
"""Bytes. asyncio's ``_DEFAULT_LIMIT``: the longest line. A reader pauses its transport at twice this size."""

UNBOUNDED_LIMIT: Final = 1 << 60
"""Bytes. Stands for an infinite limit. Twice this value still fits a signed 64-bit integer."""

EVERYTHING: Final = 1 << 61
"""Bytes. The target size of a waiting ``read(-1)``. No buffer reaches it, and its sum with a limit fits 64 bits."""

SCRATCH_SIZE: Final = 256 * KIB
"""Bytes. The largest receive, which is asyncio's receive size. All connections of a loop share one such buffer."""

MINIMUM_RECEIVE: Final = 4 * KIB
"""Bytes. The smallest receive. A reader's buffer can exceed its bound by this size."""

MERGE_BELOW: Final = 8 * KIB
"""Bytes. Data smaller than this is appended to the previous chunk.

Each chunk costs about 50 bytes besides its payload. Contract R3 allows 32 KiB for that, which smaller chunks would
exceed."""

CHUNK_COST: Final = 48
"""Bytes of memory that a chunk takes besides its payload: the header of a bytes object and a slot in the queue."""

FREE_CHUNK_COST: Final = 20 * KIB
"""Bytes. Chunk overhead up to this size does not count towards a reader's bound.

Together with the spare capacity of a growing tail it stays within the 32 KiB of contract R3."""

TAIL_MAXIMUM: Final = 32 * KIB
"""Bytes. A growing chunk accepts no data beyond this size. It is a bytearray, which allocates an eighth more than its
length."""

CLOSE_TIMEOUT: Final = 30.0
"""Seconds. A closing connection is aborted when it makes no progress for this time (contract X1)."""

DEFAULT_BACKLOG: Final = (1 << 31) - 1
"""Connections that the kernel queues before they are accepted: the largest value that listen(2) accepts.

Every system reduces the value to its own maximum (Linux: net.core.somaxconn, 4096). Windows treats it as SOMAXCONN.
A client that finds the queue full waits one second until the SYN is retransmitted, so asyncio's 100 delays larger
bursts. The queue takes memory only for the connections in it."""

ACCEPT_BATCH: Final = 64
"""Connections accepted in one iteration of the loop. Further connections are accepted in the next iteration."""

ACCEPT_RETRY_DELAY: Final = 1.0
"""Seconds that a listener pauses when the system has no descriptor or memory left. asyncio's value."""

FIRST_ADDRESS_FAMILY_COUNT: Final = 1
"""Addresses of the preferred family that are tried before the first address of the other one (RFC 8305, section 4)."""

FREE_OPERATIONS: Final = 256
"""Consecutive reads and drains of a connection that complete without waiting before one yields to the event loop.

A sequence of drains without reads yields after twice as many. Without the limit, a coroutine that never waits would
starve the other tasks (tokio's budget is 128). 256 lets a batch of 100 pipelined requests, each read and answered,
complete in one step."""

DIRECT_BUFFER_MINIMUM: Final = 32 * KIB
"""Bytes. A waiting ``readexactly`` that lacks at least this many receives directly into its result (DirectBuffer).

For fewer bytes, a copy costs less than the additional system call: a direct receive ends at the end of the record, even
where more data is available."""

DIRECT_BUFFER_AHEAD: Final = 1024 * KIB
"""Bytes. A DirectBuffer allocates at most this much, or twice the limit if that is more, ahead of the received data.

The peer usually chooses the size of the record. Without the bound it could make the program allocate any amount."""

BLOCK_MINIMUM: Final = 16 * KIB
"""Bytes. A waiting ``read(n)`` receives directly into the bytes object that it returns (Block) if ``n`` and the size
of the previous receive are at least this large."""

TLS_HANDSHAKE_TIMEOUT: Final = 60.0
"""Seconds. The default time limit of a TLS handshake, as in asyncio. The connection is aborted when it expires."""

HANDSHAKE_LOG_INTERVAL: Final = 60.0
"""Seconds. Within this time, a server logs a failed TLS handshake once per peer and reason."""

HANDSHAKE_LOG_LINES: Final = 20
"""The most failed handshakes that a server logs within HANDSHAKE_LOG_INTERVAL. Any host can cause such failures."""

TLS_SHUTDOWN_TIMEOUT: Final = 30.0
"""Seconds. The default time that closing waits for the peer's close_notify alert, as in asyncio.

The time starts when all written data has been sent. When it expires, the connection is closed without the alert."""

TLS_PLAINTEXT: Final = 16 * KIB
"""Bytes. The largest plaintext of one TLS record (RFC 8446, section 5.1)."""
