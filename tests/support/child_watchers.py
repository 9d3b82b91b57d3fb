"""The threads in which Python 3.11 waits for the children of asyncio's subprocesses."""

import threading


def join_watchers() -> None:
    """Wait for the end of these threads. They may still run after they have called the loop."""
    for thread in threading.enumerate():
        if thread.name.startswith(("waitpid-", "asyncio-waitpid-")):
            thread.join()
