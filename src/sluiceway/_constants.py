"""Every number of sluiceway, with its unit, its source and its consequence."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

DEFAULT_LIMIT: Final = 64 * KIB
"""Bytes. asyncio's ``_DEFAULT_LIMIT``: the longest line, and half of what a reader holds before it pauses its peer."""

UNBOUNDED_LIMIT: Final = 1 << 60
"""Bytes. What an infinite limit is counted as; twice of it still fits a signed 64-bit size."""

EVERYTHING: Final = 1 << 61
"""Bytes. What a pending ``read(-1)`` wants; beyond any buffer, and added to a limit it still fits 64 bits."""

SCRATCH_SIZE: Final = 256 * KIB
"""Bytes asked of the kernel at once, at most: asyncio's own receive size, shared by all connections of a loop."""

MINIMUM_RECEIVE: Final = 4 * KIB
"""Bytes asked of the kernel at once, at least: a reader just short of its bound may pass it by this much."""

MERGE_BELOW: Final = 8 * KIB
"""Bytes. A smaller arrival joins the chunk before it. A chunk costs about 50 bytes beside its payload, so below
this size the cost of a queue is no longer lost in the 32 KiB that contract R3 leaves for it."""

CHUNK_COST: Final = 48
"""Bytes that a chunk takes beside its payload: the header of a bytes object and a place in the queue."""

FREE_CHUNK_COST: Final = 20 * KIB
"""Bytes that chunks may cost before it counts as held: with a growing tail's reserve it stays within R3's 32 KiB."""

TAIL_MAXIMUM: Final = 32 * KIB
"""Bytes. A growing chunk is closed at this size; it is a bytearray, which reserves an eighth more than it holds."""

CLOSE_TIMEOUT: Final = 30.0
"""Seconds. A closing connection of which the kernel takes not one byte for so long is aborted (contract X1)."""

DEFAULT_BACKLOG: Final = (1 << 31) - 1
"""Connections that the kernel queues for a listener: the largest that listen(2) takes. Every system cuts it to its own
maximum (Linux: net.core.somaxconn, 4096); to Windows it is SOMAXCONN. Who finds the queue full waits a second until the
SYN is sent again, as a burst of more than asyncio's 100 does; a queue costs memory only while it is filled."""

ACCEPT_BATCH: Final = 64
"""Connections accepted before other callbacks of the loop get their turn; the rest come one turn later."""

ACCEPT_RETRY_DELAY: Final = 1.0
"""Seconds without accepting after the system ran out of descriptors or memory; asyncio's value."""

FIRST_ADDRESS_FAMILY_COUNT: Final = 1
"""RFC 8305 section 4: addresses of the preferred family tried before the other family gets its turn."""

FREE_OPERATIONS: Final = 256
"""Reads that find their data and drains that find room, in a row, before one of them lets the loop have a turn; twice
as many where only drains are made. A coroutine that never has to wait would starve everybody else (tokio's budget is
128). At 256 a batch of 100 pipelined requests, each read and answered, passes without an interruption."""

DIRECT_BUFFER_MINIMUM: Final = 32 * KIB
"""Bytes that a waiting ``readexactly`` must lack before it receives into its result directly (DirectBuffer). Below
that, a copy costs less than a system call that ends at the record's end and not where the data ends."""

DIRECT_BUFFER_AHEAD: Final = 1024 * KIB
"""Bytes of a DirectBuffer that are allocated before they arrive, at most; 2 x limit where that is more. A peer chooses
the size of the record, as a rule, and the memory is the program's."""

BLOCK_MINIMUM: Final = 16 * KIB
"""Bytes. A waiting ``read(n)`` of at least as many receives into the bytes object that it returns (Block), where the
last arrival was as large."""

TLS_HANDSHAKE_TIMEOUT: Final = 60.0
"""Seconds from the connection to the end of the TLS handshake, as in asyncio; then the connection is given up."""

HANDSHAKE_LOG_INTERVAL: Final = 60.0
"""Seconds in which a server logs a failed TLS handshake once per peer and reason."""

HANDSHAKE_LOG_LINES: Final = 20
"""Lines about failed handshakes that a server logs in that time, at most: anyone can cause them, from any address."""

TLS_SHUTDOWN_TIMEOUT: Final = 30.0
"""Seconds that closing waits for the peer's close_notify, counted from when all that was written had left, as in
asyncio; then the connection is closed without it."""

TLS_PLAINTEXT: Final = 16 * KIB
"""Bytes that a TLS record has at most before it is encrypted (RFC 8446, 5.1)."""
