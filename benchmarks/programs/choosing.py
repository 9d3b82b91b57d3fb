"""What the programs share: which streams and which loop they run on, and whether they are looked at meanwhile."""

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
    made.add_argument("--profile", metavar="FILE", help="say there where the CPU time went")
    return made


def chosen(arguments: argparse.Namespace, until_terminated: bool = False) -> None:
    """To be called before the library is imported, so that it finds what was installed.

    A server is looked at from here until it is terminated, a client when it says so.
    """
    if arguments.streams == "sluiceway":
        import sluiceway

        sluiceway.install()
    if arguments.profile and until_terminated:
        sampling.until_terminated(arguments.profile)
