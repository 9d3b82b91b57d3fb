"""An aiosmtpd server that accepts mails and responds with the checksum of the received bytes."""

import asyncio
import zlib
from typing import Any

import choosing


class Mailbox:
    """aiosmtpd's handler."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return f"250 {zlib.crc32(envelope.content)}"


async def serve() -> None:
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()
    mailbox = Mailbox()
    server = await loop.create_server(lambda: SMTP(mailbox, hostname="localhost", loop=loop), "127.0.0.1", 0)
    choosing.common.announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    arguments = choosing.parser(__doc__).parse_args()
    choosing.chosen(arguments, until_terminated=True)
    choosing.run(serve(), arguments)


if __name__ == "__main__":
    main()
