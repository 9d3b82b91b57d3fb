"""Create and use a root directory of a newer Debian, for Pythons that this system has no packages of.

Usage: python tools/debian_root.py make
       python tools/debian_root.py run PROGRAM [ARGUMENTS]

``make`` needs root privileges, debootstrap and a Debian mirror, which it reads from apt's configuration. It takes two
to three minutes, and keeps what exists already. The root is in the user's cache. SLUICEWAY_DEBIAN_ROOT sets another
path.

``run`` runs a program inside the root, in the same working directory: the checkout and /tmp have the same paths inside
and outside. Only Python and its compiler run inside. A test inside that starts redis-server or another peer gets the
program of this system, through a script that leaves the root.
"""

import os
import pathlib
import shutil
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
SUITE = "forky"
# debootstrap before 1.0.142 has no script for the suite. The script of sid works for it.
SCRIPT = "sid"
PYTHONS = ("3.14", "3.15")
PACKAGES = (
    "ca-certificates",
    "gcc",
    "libc6-dev",
    "libssl-dev",  # for the load generator of the benchmarks
    *(f"python{series}-{part}" for series in PYTHONS for part in ("dev", "venv")),
    *(f"libpython{series}-testsuite" for series in PYTHONS),
    "systemd",  # for programs that start a Python of the root
)
OUTSIDE_PROGRAMS = (
    *("curl", "git", "go", "haproxy", "microsocks", "nginx", "openssl"),
    *("redis-cli", "redis-server", "strace", "tinyproxy", "wrk"),
)
# Seconds. A mirror may be slow.
PACKAGE_TIMEOUT = 900

ENTER = """
set -e
root=$1 checkout=$2 directory=$3
shift 3
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind /tmp "$root/tmp"
mkdir -p "$root$checkout"
mount --bind "$checkout" "$root$checkout"
if [ -e "$root/sluiceway-packages" ]; then
    # The certificates that pip trusts outside. Read-only, and not while packages are installed, which writes them.
    mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
    mount -o remount,bind,ro "$root/etc/ssl/certs"
fi
exec chroot "$root" env -C "$directory" "$@"
"""

LEAVE = """#!/bin/sh
exec nsenter --target "$SLUICEWAY_OUTSIDE_PID" --mount --root --wdns="$PWD" {program} "$@"
"""


class RootError(Exception):
    """The root cannot be created or used. The message is one line for the user."""


def location() -> pathlib.Path:
    """Return the path of the root, which may not exist."""
    if chosen := os.environ.get("SLUICEWAY_DEBIAN_ROOT"):
        return pathlib.Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "sluiceway" / f"debian-{SUITE}"


def complete() -> bool:
    """Return True if the root exists and has all packages and scripts."""
    mark = location() / "sluiceway-packages"
    return mark.exists() and mark.read_text() == " ".join((*PACKAGES, *OUTSIDE_PROGRAMS))


def usable() -> bool:
    """Return True if programs can run inside the root."""
    return sys.platform == "linux" and os.geteuid() == 0 and complete()


def entry() -> list[str]:
    """Return a command prefix that runs a program inside the root."""
    return [sys.executable, str(pathlib.Path(__file__).resolve()), "run"]


def pythons() -> list[pathlib.Path]:
    """Return the paths of the interpreters inside the root. Empty if the root cannot be used."""
    return [pathlib.Path(f"/usr/bin/python{series}") for series in PYTHONS] if usable() else []


def make() -> None:
    """Create the root, or its missing parts."""
    if complete():
        return
    if sys.platform != "linux" or os.geteuid() != 0:
        raise RootError("a Debian root can be created only on Linux, by root")
    for program in ("debootstrap", "apt-get", "unshare", "nsenter", "chroot"):
        if shutil.which(program) is None:
            raise RootError(f"{program} is not installed (Debian packages debootstrap, apt and util-linux)")
    root = location()
    if not (root / "usr/bin/apt-get").exists() or (root / "debootstrap").exists():
        if root.exists():
            shutil.rmtree(root)
        root.mkdir(parents=True)
        log(f"creating a root of Debian {SUITE}")
        script = f"/usr/share/debootstrap/scripts/{SCRIPT}"
        command("debootstrap", "--variant=minbase", SUITE, str(root), mirror(), script)
    # The release file of a snapshot mirror has expired.
    (root / "etc/apt/apt.conf.d/90sluiceway").write_text('Acquire::Check-Valid-Until "false";\n')
    (root / "sluiceway-packages").unlink(missing_ok=True)
    for program in OUTSIDE_PROGRAMS:
        script_path = root / "usr/local/bin" / program
        script_path.write_text(LEAVE.format(program=program))
        script_path.chmod(0o755)
    log(f"installing Python {', '.join(PYTHONS)} in the root")
    command(*entry(), "apt-get", "--quiet", "--quiet", "update")
    install = ("apt-get", "--quiet", "--quiet", "--yes", "--no-install-recommends", "install")
    command(*entry(), "env", "DEBIAN_FRONTEND=noninteractive", *install, *PACKAGES)
    (root / "sluiceway-packages").write_text(" ".join((*PACKAGES, *OUTSIDE_PROGRAMS)))


def mirror() -> str:
    """Return the URL of the Debian mirror that apt uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI)"], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        kind, _, address = line.partition(" ")
        if kind == "Packages" and address.rstrip("/").endswith("/debian"):
            return address
    raise RootError("apt's configuration contains no Debian mirror")


def run(arguments: list[str]) -> None:
    """Replace this process with a program inside the root. The mounts end with the program."""
    if not arguments:
        sys.exit(__doc__)
    os.environ["SLUICEWAY_OUTSIDE_PID"] = str(os.getppid())
    directory = os.getcwd()
    inside = directory if directory.startswith((str(CHECKOUT), "/tmp/")) else "/"
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter"]
    os.execvp(shell[0], [*shell, str(location()), str(CHECKOUT), inside, *arguments])


def command(*arguments: str, timeout: float = PACKAGE_TIMEOUT) -> None:
    try:
        subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=timeout, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise RootError(f"cannot create the Debian root: {error}") from None


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    match sys.argv[1:]:
        case ["make"]:
            try:
                make()
            except RootError as error:
                sys.exit(f"sluiceway: {error}")
            print(location())
        case ["run", *arguments]:
            run(arguments)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
