"""The command ``sluiceway``.

Nothing here may import click, rich or trustme at the top: they come with the extra ``cli``, and whoever lacks it
is told so in one line instead of a traceback.
"""

from __future__ import annotations

import sys

_PACKAGES_OF_THE_EXTRA = frozenset({"click", "rich", "trustme"})
_USAGE_ERROR = 2
_INTERRUPTED = 130


def main() -> None:
    """Run the command line from ``sys.argv`` and leave the process.

    Raises:
        SystemExit: always; 0 when all went well, 1 when something failed, 2 for wrong usage or when the extra
            ``cli`` is not installed, 130 after Ctrl-C.
    """
    try:
        from sluiceway.cli.application import application

        application(prog_name="sluiceway")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES_OF_THE_EXTRA:
            raise
        print(
            f"sluiceway: the command line needs {package}, which is not installed: pip install {package}",
            file=sys.stderr,
        )
        sys.exit(_USAGE_ERROR)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


__all__ = ["main"]
