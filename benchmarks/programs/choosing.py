"""The arguments of all programs: the streams, the event loop, and the profile."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))

import sampling

import common

__all__ = ["chosen", "common", "parser", "run"]

run = common.run


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    common.add_loop_arguments(made)
    made.add_argument("--streams", choices=["asyncio", "sluiceway"], default="asyncio")
    made.add_argument("--profile", metavar="FILE", help="write a profile of the CPU time to this file")
    return made


def chosen(arguments: argparse.Namespace, until_terminated: bool = False) -> None:
    """Install the chosen streams. Call it before the library is imported.

    The profile of a server starts here and ends with the server. A client starts its profile itself.
    """
    if arguments.streams == "sluiceway":
        import sluiceway

        sluiceway.install()
    if arguments.profile and until_terminated:
        sampling.until_terminated(arguments.profile)
