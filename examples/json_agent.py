"""An agent that another program runs: a JSON request in each line of standard input, a JSON answer in each line of
standard output.

    echo '{"id": 1, "method": "count", "text": "two words"}' | python json_agent.py

Answers are sent as soon as they are ready, in any order. A line may be up to 16 MiB long. A longer one is dropped, and
answered with an error when the next line arrives. Everything that is not an answer goes to standard error.
"""

import asyncio
import json
import sys
from typing import Any

import sluiceway

LONGEST_LINE = 16 << 20


async def answer(request: dict[str, Any]) -> Any:
    """Return the result of a request. Raise an error that the other program gets."""
    match request.get("method"):
        case "count":
            return {"words": len(request["text"].split()), "characters": len(request["text"])}
        case "wait":
            await asyncio.sleep(request["seconds"])
            return {}
    raise LookupError(f"unknown method {request.get('method')!r}")


async def handle(stream: sluiceway.Stream, line: bytes) -> None:
    reply: dict[str, Any] = {"id": None}
    try:
        request = json.loads(line)
        reply["id"] = request["id"]
        reply["result"] = await answer(request)
    except Exception as error:  # one wrong request must not end the agent
        reply["error"] = f"{type(error).__name__}: {error}"
    await send(stream, reply)


async def send(stream: sluiceway.Stream, message: dict[str, Any]) -> None:
    await stream.send(json.dumps(message).encode() + b"\n")


async def main() -> None:
    async with sluiceway.stdio() as stream, asyncio.TaskGroup() as running:
        lines = stream.lines(max_length=LONGEST_LINE, overlong="skip")
        skipped = 0
        async for line in lines:
            if lines.skipped > skipped:
                skipped = lines.skipped
                await send(stream, {"id": None, "error": f"a line was longer than {LONGEST_LINE} bytes"})
            running.create_task(handle(stream, line))
    print("standard input has ended", file=sys.stderr)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* BrokenPipeError:
        print("nobody reads the answers any more", file=sys.stderr)
