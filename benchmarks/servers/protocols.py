"""A server with raw protocols, without streams. It shows the cost of the transports alone."""

import argparse
import asyncio
import ssl
import struct

import common


class Conversation(asyncio.Protocol):
    """Stores incomplete records. Only a source needs flow control, because it does not wait for responses."""

    size = 1
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]


class Lines(Conversation):
    def data_received(self, data: bytes) -> None:
        if self.pending:
            data = self.pending + data
        begin = 0
        while end := data.find(b"\n", begin) + 1:
            self.transport.write(data[begin:end])
            begin = end
        self.pending = data[begin:]


class Connect(Conversation):
    def data_received(self, data: bytes) -> None:
        self.pending += data
        if end := self.pending.find(b"\n") + 1:
            self.transport.write(self.pending[:end])
            self.transport.close()


class Records(Conversation):
    def data_received(self, data: bytes) -> None:
        if self.pending:
            data = self.pending + data
        begin = 0
        while len(data) - begin >= self.size:
            self.transport.write(data[begin : begin + self.size])
            begin += self.size
        self.pending = data[begin:]


class Frames(Conversation):
    def data_received(self, data: bytes) -> None:
        if self.pending:
            data = self.pending + data
        begin = 0
        while len(data) - begin >= 4:
            (length,) = struct.unpack_from(">I", data, begin)
            end = begin + 4 + length
            if end > len(data):
                break
            self.transport.write(data[begin:end])
            begin = end
        self.pending = data[begin:]


class Blocks(Conversation):
    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.have = 0

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)
        self.have += len(data)
        while self.have >= self.size:
            whole = b"".join(self.chunks)
            record, rest = whole[: self.size], whole[self.size :]
            self.chunks, self.have = [rest], len(rest)
            self.transport.write(record[-1:])


class Sink(Conversation):
    def __init__(self) -> None:
        self.count = 0

    def data_received(self, data: bytes) -> None:
        self.count += len(data)

    def eof_received(self) -> None:
        self.transport.write(b"%d\n" % self.count)


class Source(Conversation):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.block = common.source_block(self.size)
        self.has_room = True
        asyncio.get_running_loop().call_soon(self.resume_writing)

    def pause_writing(self) -> None:
        self.has_room = False

    def resume_writing(self) -> None:
        self.has_room = True
        while self.has_room and not self.transport.is_closing():
            self.transport.write(self.block)

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_room = False


PROTOCOLS = {
    "lines": Lines,
    "connect": Connect,
    "records": Records,
    "frames": Frames,
    "blocks": Blocks,
    "sink": Sink,
    "source": Source,
}


async def serve(protocol: type[Conversation], tls: ssl.SSLContext | None) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
    common.announce(server.sockets[0].getsockname()[1])
    await common.until_terminated()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.add_arguments(parser)
    common.add_tls_argument(parser)
    common.add_loop_arguments(parser)
    arguments = parser.parse_args()
    Conversation.size = arguments.size
    common.run(serve(PROTOCOLS[arguments.mode], common.tls_context(arguments)), arguments)


if __name__ == "__main__":
    main()
