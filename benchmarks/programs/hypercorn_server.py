"""hypercorn with one worker in this process. The ASGI application responds with a few bytes of plain text."""

import asyncio
import socket
from typing import Any

import choosing

BODY = b"Hello, World!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def serve() -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "ERROR"
    choosing.common.announce(port)  # connections wait in the queue until hypercorn accepts them
    await hypercorn_serve(application, config, shutdown_trigger=asyncio.Event().wait)


def main() -> None:
    arguments = choosing.parser(__doc__).parse_args()
    choosing.chosen(arguments, until_terminated=True)
    choosing.run(serve(), arguments)


if __name__ == "__main__":
    main()
