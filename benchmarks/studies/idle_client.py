"""Opens connections and has a line answered on each: one, says so, waits for a line on its input, then all the others.

It prints how many there are and keeps them open until its input ends.
"""

import argparse
import resource
import socket
import sys

PATIENCE = 20
LINE = b"x" * 255 + b"\n"


def opened(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), PATIENCE)
    wire.sendall(LINE)
    answer = b""
    while len(answer) < len(LINE):
        data = wire.recv(len(LINE) - len(answer))
        if not data:
            raise ConnectionError("the server closed")
        answer += data
    if answer != LINE:
        raise ValueError("an answer is wrong")
    return wire


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kept = [opened(arguments.port)]
    print(len(kept), flush=True)
    sys.stdin.readline()
    kept += [opened(arguments.port) for _ in range(arguments.connections)]
    print(len(kept), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
