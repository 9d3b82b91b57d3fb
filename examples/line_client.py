"""A client that prints the lines of a server, and connects again whenever the connection is lost.

    python line_client.py tcp://127.0.0.1:7003
    python line_client.py tls://example.com:7003

It waits one second before the second attempt, and twice as long before each further one, up to a minute. A line from
the server sets the time back to one second. A connection without a line does not, because a busy server may accept
connections and close them at once. Each time varies at random by up to a quarter, so that the clients of a restarted
server do not all connect at once. A wrong certificate does not become valid by waiting, so it ends the program.
"""

import argparse
import asyncio
import random
import ssl
import sys

import sluiceway

LONGEST_DELAY = 60.0
# A connection on which nothing arrives for this time is considered lost.
SILENCE = 300.0
# The kernel finds a peer that has vanished: after 60 s of silence it probes every 10 s, and gives up after 6 probes.
KEEPALIVE = (60, 10, 6)


async def run(address: str, first_delay: float) -> None:
    delay = first_delay
    while True:
        try:
            async with sluiceway.connect(address, timeout=10, keepalive=KEEPALIVE) as stream:
                log(f"connected to {address}")
                async for line in stream.lines(max_length=1 << 20, overlong="truncate", timeout=SILENCE):
                    delay = first_delay
                    print(line.decode(errors="replace").rstrip("\n"), flush=True)
                log("the server has closed the connection")
        except ssl.SSLCertVerificationError as error:
            sys.exit(str(error))
        except OSError as error:
            log(str(error) or type(error).__name__)
        wait = delay * random.uniform(0.75, 1.25)
        log(f"trying again in {wait:.2f} s")
        await asyncio.sleep(wait)
        delay = min(2 * delay, LONGEST_DELAY)


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the lines of a server.")
    parser.add_argument("address", help="tcp://host:port or tls://host:port")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds before the second attempt")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.address, arguments.delay))


if __name__ == "__main__":
    main()
