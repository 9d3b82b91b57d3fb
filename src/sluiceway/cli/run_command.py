"""The command ``sluiceway run``: run a program or module with sluiceway's streams, without a change of its code."""

from __future__ import annotations

import io
import logging
import os
import pkgutil
import re
import runpy
import sys
import types
from traceback import walk_tb
from types import FrameType

import click

import sluiceway
from sluiceway.cli.bad_argument import BadArgument
from sluiceway.cli.output import restore_output


@click.command(
    # Options after the program are passed to the program. `-m` is parsed below, for options after the module.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[--verbose]",
)
@click.option("--verbose", is_flag=True, help="Write the log records of sluiceway to standard error.")
@click.argument(
    "arguments", nargs=-1, required=True, metavar="PROGRAM | -m MODULE [ARGUMENTS]...", type=click.UNPROCESSED
)
def run(arguments: tuple[str, ...], verbose: bool) -> None:
    """Run a Python program with sluiceway's streams.

    The command calls sluiceway.install(), then runs PROGRAM like `python PROGRAM`. PROGRAM is a file, or a directory or
    ZIP file with a __main__.py. With -m, MODULE is run like `python -m MODULE`. The program gets the remaining
    arguments in sys.argv. Child processes use sluiceway only if they are forks of the program.

    The exit status is that of the program: 1 after an exception. It is 2 if the program does not exist.
    """
    if verbose:
        _log_to_standard_error()
    if arguments[0] == "-m":
        if len(arguments) == 1:
            raise BadArgument("run -m: the module name is missing")
        _run(arguments[1:], is_module=True)
    elif arguments[0].startswith("-c"):
        raise BadArgument("run has no -c; save the code in a file, and run the file")
    elif arguments[0].startswith("-"):
        raise BadArgument(f"run: unknown option {arguments[0]}; options for your program go after the program's name")
    elif not os.path.exists(arguments[0]) and re.fullmatch(r"python[\d.]*", arguments[0]):
        raise BadArgument(f"run {arguments[0]!r}: no such file; leave out {arguments[0]!r}")
    elif not os.path.exists(arguments[0]):
        raise BadArgument(f"run {arguments[0]!r}: no such file; use -m to run a module")
    else:
        _run(arguments, is_module=False)


def _run(command: tuple[str, ...], *, is_module: bool) -> None:
    """Run ``command`` as ``__main__``: an existing path or a module, and its arguments. Exit with its status.

    Raise BadArgument if the module does not exist, or the directory or ZIP file has no ``__main__``.
    """
    target = command[0]
    # As with `python`, __file__ is absolute: the program may change the working directory. Not os.path.abspath(): it
    # removes a directory before "..", which may be a symbolic link.
    path = target if os.path.isabs(target) else os.path.join(os.getcwd(), target)
    restore_output()
    sys.argv[:] = command
    if not sys.flags.safe_path:
        # Replaces the directory of the command `sluiceway`, as `python` does.
        if is_module:
            sys.path[0] = os.getcwd()
        elif pkgutil.get_importer(path) is None:
            sys.path[0] = os.path.dirname(os.path.realpath(target))
        else:
            # _run_as_main() inserts the directory or ZIP file.
            del sys.path[0]
    sluiceway.install()
    try:
        _run_as_main(target, path, is_module=is_module)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - printed as by the interpreter
        if isinstance(error, ImportError) and _module_of([*walk_tb(error.__traceback__)][-1][0]) == "runpy":
            raise BadArgument(f"run {target}: {error}") from None
        traceback = error.__traceback__
        # Python itself would show only the frames of the program.
        while traceback is not None and _module_of(traceback.tb_frame) in {__name__, "runpy"}:
            traceback = traceback.tb_next
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        sys.exit(1)
    sys.exit(0)


def _run_as_main(target: str, path: str, *, is_module: bool) -> None:
    """Run the module ``target``, or the file, directory or ZIP file ``path``, as ``__main__``.

    The public functions of runpy undo at the end what they have changed. Here ``__main__``, sys.path and sys.argv stay
    as the program leaves them: its threads, executors and exit handlers use them until the process ends.
    """
    spec = None
    if is_module:
        _, spec, code = runpy._get_module_details(target)  # type: ignore[attr-defined]
        sys.argv[0] = spec.origin
    elif pkgutil.get_importer(path) is None:
        code = _code_of(path)
    else:
        sys.path.insert(0, path)
        _, spec, code = runpy._get_main_module_details()  # type: ignore[attr-defined]
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    package = None if is_module else ""
    runpy._run_code(code, vars(module), None, "__main__", spec, package, path)  # type: ignore[attr-defined]


def _code_of(path: str) -> types.CodeType:
    """Return the code of a file with source or compiled code."""
    with io.open_code(path) as file:
        code: types.CodeType | None = pkgutil.read_code(file)
    if code is None:
        with io.open_code(path) as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    return code


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("sluiceway: %(message)s"))
    logger = logging.getLogger("sluiceway")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)


def _module_of(frame: FrameType) -> object:
    return frame.f_globals.get("__name__")
