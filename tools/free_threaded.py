"""Build free-threaded CPython from the Debian source package, inside the root that debian_root.py creates.

Usage: python tools/free_threaded.py make 3.13|3.14|3.15
       python tools/free_threaded.py run 3.13|3.14|3.15 [ARGUMENTS]

``make`` installs pythonX.Yt in /opt/free-threaded of the root. It takes about five minutes on two cores. The build
has no profile-guided optimisation, so the interpreter is slower than Debian's. CI does not run it. If the mirror does
not have the source archive of a series, ``make`` fails, and installs and builds nothing. A mirror may lack an archive
that its index lists.

``run`` runs that interpreter inside the root, like ``debian_root.py run``.
"""

import pathlib
import shutil
import sys
import tempfile

import debian_root
from debian_root import RootError, command, entry, log

SERIES = ("3.13", "3.14", "3.15")
# What the mirror had, although its index lists all three, and when.
AVAILABLE, TRIED = "3.13", "2026-11-29"
# Inside the root.
PREFIX = pathlib.Path("/opt/free-threaded")
SOURCES = "/etc/apt/sources.list.d/sluiceway-source.list"
BUILD_PACKAGES = (
    *("dpkg-dev", "g++", "make", "pkgconf", "xz-utils"),
    *("libbz2-dev", "libexpat1-dev", "libffi-dev", "liblzma-dev", "libsqlite3-dev", "libssl-dev", "libzstd-dev"),
    *("uuid-dev", "zlib1g-dev"),
)
BUILD_TIMEOUT = 3600

DOWNLOAD = """
set -e
cd "$2"
exec apt-get --quiet --quiet --tar-only --download-only source "python$1"
"""

BUILD = """
set -e
series=$1 prefix=$3
cd "$2"
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
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sluiceway-free-threaded.", dir=root / "var/tmp"))
    try:
        build(series, "/" / directory.relative_to(root))
    finally:
        shutil.rmtree(directory)


def build(series: str, directory: pathlib.Path) -> None:
    """Download the source into the empty ``directory`` of the root, build it there, and install the interpreter."""
    log(f"downloading the source of Python {series}")
    command(*entry(), "apt-get", "--quiet", "--quiet", "update")
    try:
        command(*entry(), "sh", "-c", DOWNLOAD, "download", series, str(directory))
    except RootError:
        raise RootError(
            f"cannot download the source of Python {series}, as the lines above say; on {TRIED}, the mirror had only "
            f"that of {AVAILABLE}"
        ) from None
    log("installing the build requirements")
    install = ("apt-get", "--quiet", "--quiet", "--yes", "--no-install-recommends", "install")
    command(*entry(), "env", "DEBIAN_FRONTEND=noninteractive", *install, *BUILD_PACKAGES)
    log(f"building free-threaded Python {series}")
    try:
        line = ("nice", "sh", "-c", BUILD, "build", series, str(directory), str(PREFIX))
        command(*entry(), *line, timeout=BUILD_TIMEOUT)
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
