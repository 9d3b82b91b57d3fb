"""Whether the running interpreter was built with profile-guided optimisation. As a program, prints True or False."""

import sys
import sysconfig


def is_optimised() -> bool:
    """Return True for a build with --enable-optimizations, and for the interpreter of a Linux distribution.

    Debian optimises its interpreters by a target of CPython's Makefile, which no variable of the build records.
    """
    asked = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return asked or (sys.platform == "linux" and sys.base_prefix == "/usr")


if __name__ == "__main__":
    print(is_optimised())
