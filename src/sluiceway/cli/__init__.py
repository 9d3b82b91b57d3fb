"""The command ``sluiceway``.

click, rich and trustme belong to the extra ``cli``. Every command but ``sluiceway doctor`` needs click, and
``sluiceway demo`` needs all three. A command whose package is missing ends with a one-line message.
"""

from __future__ import annotations

import sys

from sluiceway.cli.output import check_output

_PACKAGES_OF_THE_EXTRA = frozenset({"click", "rich", "trustme"})
_USAGE_ERROR = 2
_INTERRUPTED = 130


def main() -> None:
    """Run the command of ``sys.argv``, and end the process.

    Raises:
        SystemExit: always. The status is 0 if the command succeeded; 1 if something failed, or if standard output could
            not be written; 2 for wrong arguments, or if the command needs a package of the extra ``cli`` that is
            missing; 130 after Ctrl-C; 143 or 129 if SIGTERM or SIGHUP ended ``sluiceway demo``. ``sluiceway run`` has
            the status of the program that it runs.
    """
    try:
        check_output()
        try:
            from sluiceway.cli.application import application

            application()
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _PACKAGES_OF_THE_EXTRA:
                raise
            _run_without(package)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run_without(package: str) -> None:
    """Run ``doctor``, or report that another command needs ``package``, which is missing. End the process."""
    from sluiceway.cli.doctor.report import show

    if sys.argv[1:] in (["doctor"], ["doctor", "--json"]):
        show(as_json="--json" in sys.argv)
        sys.exit(0)
    print(
        f"sluiceway: cannot import {package}; install the extra cli: pip install '.[cli]' in a checkout of sluiceway; "
        "`sluiceway doctor` works without it",
        file=sys.stderr,
    )
    sys.exit(_USAGE_ERROR)


__all__ = ["main"]
