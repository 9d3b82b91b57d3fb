"""Visit a server repeatedly, first without other connections, then while it holds many of them.

Each visit is a TLS connection with one line and its response. Prints the 99th percentile of both series, in
microseconds.
"""

import argparse
import ssl
import time

from idle_client import context_of, opened, unlimited


def slow_visit(port: int, context: ssl.SSLContext, visits: int) -> float:
    times = []
    for _ in range(visits):
        began = time.perf_counter()
        opened(port, context).close()
        times.append(time.perf_counter() - began)
    times.sort()
    return times[len(times) * 99 // 100] * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--visits", type=int, required=True)
    parser.add_argument("--authority", required=True)
    arguments = parser.parse_args()
    unlimited()
    context = context_of(arguments.authority)
    slow_visit(arguments.port, context, arguments.visits // 10)
    empty = slow_visit(arguments.port, context, arguments.visits)
    kept = [opened(arguments.port, context) for _ in range(arguments.connections)]
    held = slow_visit(arguments.port, context, arguments.visits)
    print(len(kept), empty, held)


if __name__ == "__main__":
    main()
