"""Build free-threaded CPython from the Debian source package, inside the root that debian_root.py creates.

Usage: python tools/free_threaded.py make 3.13|3.14|3.15
       python tools/free_threaded.py run 3.13|3.14|3.15 [ARGUMENTS]

``make`` installs pythonX.Yt in /opt/free-threaded of the root. It takes about five minutes on two cores. The build
has no profile-guided optimisation, so the interpreter is slower than Debian's. CI does not run it. If the mirror does
not have the source package of a series, ``make`` fails and builds nothing.

``run`` runs that interpreter inside the root, like ``debian_root.py run``.
"""

import pathlib
import sys

import debian_root
from debian_root import RootError, command, entry, log

SERIES = ("3.13", "3.14", "3.15")
# Inside the root.
PREFIX = pathlib.Path("/opt/free-threaded")
SOURCES = "/etc/apt/sources.list.d/sluiceway-source.list"
BUILD_PACKAGES = (
    *("dpkg-dev", "g++", "make", "pkgconf", "xz-utils"),
    *("libbz2-dev", "libexpat1-dev", "libffi-dev", "liblzma-dev", "libsqlite3-dev", "libssl-dev", "libzstd-dev"),
    *("uuid-dev", "zlib1g-dev"),
)
BUILD_TIMEOUT = 3600

BUILD = """
set -e
series=$1 prefix=$2
directory=$(mktemp -d /var/tmp/sluiceway-free-threaded.XXXXXX)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
apt-get --quiet --quiet --tar-only --download-only source "python$series"
tar --extract --strip-components 1 --file python"$series"_*.orig.tar.xz
./configure --quiet --disable-gil --prefix="$prefix" --with-ensurepip=install
make --quiet --jobs=2
make --quiet altinstall
touch "$prefix/built-$series"
"""


def interpreter(series: str) -> pathlib.Path:
    """Return the path of the interpreter inside the root. It may not exist."""
    return PREFIX / "bin" / f"python{series}t"


def built(series: str) -> bool:
    """Return whether the whole of it is installed; the build writes this file at its end."""
    return (debian_root.location() / PREFIX.relative_to("/") / f"built-{series}").exists()


def make(series: str) -> None:
    """Build and install the interpreter of this version, unless it exists."""
    if built(series):
        return
    debian_root.make()
    root = debian_root.location()
    (root / SOURCES.lstrip("/")).write_text(f"deb-src {debian_root.mirror()} {debian_root.SUITE} main\n")
    log("installing the build requirements")
    command(*entry(), "apt-get", "--quiet", "--quiet", "update")
    install = ("apt-get", "--quiet", "--quiet", "--yes", "--no-install-recommends", "install")
    command(*entry(), "env", "DEBIAN_FRONTEND=noninteractive", *install, *BUILD_PACKAGES)
    log(f"building free-threaded Python {series}")
    try:
        command(*entry(), "nice", "sh", "-c", BUILD, "build", series, str(PREFIX), timeout=BUILD_TIMEOUT)
    except RootError:
        raise RootError(f"free-threaded Python {series} could not be built; the lines above say why") from None


def main() -> None:
    match sys.argv[1:]:
        case ["make", series] if series in SERIES:
            try:
                make(series)
            except RootError as error:
                sys.exit(f"sluiceway: {error}")
            print(interpreter(series))
        case ["run", series, *arguments] if series in SERIES and built(series):
            debian_root.run([str(interpreter(series)), *arguments])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
