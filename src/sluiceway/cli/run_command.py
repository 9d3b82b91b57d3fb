"""``sluiceway run``: a program or module on sluiceway's streams, without a change of its code."""

from __future__ import annotations

import os
import runpy
import sys
from traceback import walk_tb
from types import FrameType

import click

import sluiceway
from sluiceway.cli.bad_argument import BadArgument


@click.command(
    # Options behind the program are the program's; `-m` is read below, so that everything behind its module is too.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="",
)
@click.argument(
    "arguments", nargs=-1, required=True, metavar="PROGRAM | -m MODULE [ARGUMENTS]...", type=click.UNPROCESSED
)
def run(arguments: tuple[str, ...]) -> None:
    """Run a Python program on sluiceway's streams: install(), then PROGRAM, as `python PROGRAM` would run it.

    PROGRAM is a file, or a directory or ZIP file with a __main__.py. With -m, MODULE is run as by `python -m MODULE`.
    What follows is handed to it in sys.argv. Child processes that it starts are not affected, unless they are forks.

    Exit status: that of the program; 1 after an exception, 2 where there is no such program.
    """
    if arguments[0] == "-m":
        if len(arguments) == 1:
            raise BadArgument("run -m: the name of a module is missing")
        _run(arguments[1:], is_module=True)
    elif arguments[0].startswith("-"):
        raise BadArgument(f"run {arguments[0]}: unknown option; options of the program follow its name")
    elif not os.path.exists(arguments[0]):
        raise BadArgument(f"run {arguments[0]!r}: no such file; a module is run by -m")
    else:
        _run(arguments, is_module=False)


def _run(command: tuple[str, ...], *, is_module: bool) -> None:
    """Run it as ``__main__`` and exit with its status."""
    target = command[0]
    sys.argv[:] = command
    if not sys.flags.safe_path:
        # Where the command `sluiceway` was found is no place to import from.
        sys.path[0] = os.getcwd() if is_module else os.path.dirname(os.path.realpath(target))
    sluiceway.install()
    try:
        if is_module:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(target, run_name="__main__")
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - what the interpreter does with an exception of a program
        if isinstance(error, ImportError) and _module_of([*walk_tb(error.__traceback__)][-1][0]) == "runpy":
            raise BadArgument(f"run {target}: {error}") from None
        traceback = error.__traceback__
        # The interpreter would show the frames of the program only.
        while traceback is not None and _module_of(traceback.tb_frame) in {__name__, "runpy"}:
            traceback = traceback.tb_next
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        sys.exit(1)
    sys.exit(0)


def _module_of(frame: FrameType) -> object:
    return frame.f_globals.get("__name__")
