"""A root directory of a newer Debian, for the Pythons that this system's packages do not have.

Usage: python tools/debian_root.py make
       python tools/debian_root.py run PROGRAM [ARGUMENTS]

``make`` needs root, debootstrap and a Debian mirror, which it takes from apt's own configuration; it takes two to three
minutes and makes nothing anew that is there. The folder is in the user's cache; SLUICEWAY_DEBIAN_ROOT names another.

``run`` runs a program inside, in the same working directory: the checkout and /tmp have the same paths inside and
outside. Only Python and its compiler run inside. A test that starts redis-server or another peer there gets the one of
this system, by a script that leaves the root again.
"""

import os
import pathlib
import shutil
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
SUITE = "forky"
# debootstrap before 1.0.142 does not know the suite; all of Debian's are made in the same way.
SCRIPT = "sid"
PYTHONS = ("3.14", "3.15")
PACKAGES = (
    "ca-certificates",
    "gcc",
    "libc6-dev",
    *(f"python{series}-{part}" for series in PYTHONS for part in ("dev", "venv")),
    *(f"libpython{series}-testsuite" for series in PYTHONS),
    "systemd",  # its programs that start a Python of the root
)
OUTSIDE_PROGRAMS = (
    *("curl", "git", "go", "haproxy", "microsocks", "nginx", "openssl"),
    *("redis-server", "strace", "tinyproxy", "wrk"),
)
# Seconds; a mirror may be slow.
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
    # What pip trusts outside. Read-only, and not while packages are installed: Debian's ca-certificates rewrites it.
    mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
    mount -o remount,bind,ro "$root/etc/ssl/certs"
fi
exec chroot "$root" env -C "$directory" "$@"
"""

LEAVE = """#!/bin/sh
exec nsenter --target "$SLUICEWAY_OUTSIDE_PID" --mount --root --wdns="$PWD" {program} "$@"
"""


class RootError(Exception):
    """The root cannot be made or used; the message is the one line that the user needs."""


def location() -> pathlib.Path:
    """Return where the root is, or would be."""
    if chosen := os.environ.get("SLUICEWAY_DEBIAN_ROOT"):
        return pathlib.Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "sluiceway" / f"debian-{SUITE}"


def complete() -> bool:
    """Return whether the root has been made, with all packages."""
    mark = location() / "sluiceway-packages"
    return mark.exists() and mark.read_text() == " ".join(PACKAGES)


def usable() -> bool:
    """Return whether programs can be run inside."""
    return sys.platform == "linux" and os.geteuid() == 0 and complete()


def entry() -> list[str]:
    """Return the command that runs what follows it inside the root."""
    return [sys.executable, str(pathlib.Path(__file__).resolve()), "run"]


def pythons() -> list[pathlib.Path]:
    """Return the interpreters inside the root, as paths there; none where the root cannot be used."""
    return [pathlib.Path(f"/usr/bin/python{series}") for series in PYTHONS] if usable() else []


def make() -> None:
    """Make the root, or what is missing of it."""
    if complete():
        return
    if sys.platform != "linux" or os.geteuid() != 0:
        raise RootError("only root on Linux can make a Debian root")
    for program in ("debootstrap", "apt-get", "unshare", "nsenter", "chroot"):
        if shutil.which(program) is None:
            raise RootError(f"{program} is not installed (Debian packages debootstrap, apt and util-linux)")
    root = location()
    if not (root / "usr/bin/apt-get").exists() or (root / "debootstrap").exists():
        if root.exists():
            shutil.rmtree(root)
        root.mkdir(parents=True)
        log(f"making a root of Debian {SUITE}")
        script = f"/usr/share/debootstrap/scripts/{SCRIPT}"
        command("debootstrap", "--variant=minbase", SUITE, str(root), mirror(), script)
    # The release file of a mirror that is kept as it was on one day is past its date.
    (root / "etc/apt/apt.conf.d/90sluiceway").write_text('Acquire::Check-Valid-Until "false";\n')
    (root / "sluiceway-packages").unlink(missing_ok=True)
    for program in OUTSIDE_PROGRAMS:
        script_path = root / "usr/local/bin" / program
        script_path.write_text(LEAVE.format(program=program))
        script_path.chmod(0o755)
    log(f"installing Python {', '.join(PYTHONS)} there")
    command(*entry(), "apt-get", "--quiet", "--quiet", "update")
    install = ("apt-get", "--quiet", "--quiet", "--yes", "--no-install-recommends", "install")
    command(*entry(), "env", "DEBIAN_FRONTEND=noninteractive", *install, *PACKAGES)
    (root / "sluiceway-packages").write_text(" ".join(PACKAGES))


def mirror() -> str:
    """Return the address of the Debian mirror that apt uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI)"], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        kind, _, address = line.partition(" ")
        if kind == "Packages" and address.rstrip("/").endswith("/debian"):
            return address
    raise RootError("apt's configuration names no Debian mirror")


def run(arguments: list[str]) -> None:
    """Replace this process by a program inside the root; the mounts end with it."""
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
        raise RootError(f"the Debian root could not be made: {error}") from None


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
