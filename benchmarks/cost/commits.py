"""The history of the figures, and the build of an older commit, created once for each interpreter."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Final

from benchmarks.cost.lockstep import FailedError
from benchmarks.cost.package import Package, name_in

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT: Final = ROOT / "build" / "cost"


def git(*arguments: str, root: pathlib.Path = ROOT) -> bytes:
    """Return the output of git. FailedError with the message of git if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise FailedError("git is not installed, so there is no commit to compare with") from None
    if done.returncode:
        raise FailedError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def commits_of(path: pathlib.Path, root: pathlib.Path = ROOT) -> list[str]:
    """Return the commits that changed a file, the newest first."""
    if git("rev-parse", "--is-shallow-repository", root=root).strip() == b"true":
        raise FailedError("the clone is shallow, so the history of the figures is unknown; run git fetch --unshallow")
    return git("log", "--format=%H", "--", str(path.relative_to(root)), root=root).decode().split()


def content_at(commit: str, path: pathlib.Path, root: pathlib.Path = ROOT) -> str:
    return git("show", f"{commit}:{path.relative_to(root).as_posix()}", root=root).decode()


def previous_content(path: pathlib.Path, root: pathlib.Path = ROOT) -> str | None:
    """Return the file before its last change, committed or not. None if the file has no history."""
    now = path.read_text(encoding="utf-8")
    for commit in commits_of(path, root):
        try:
            before = content_at(commit, path, root)
        except FailedError:
            return None  # that commit removed the file
        if before != now:
            return before
    return None


def full_name(revision: str) -> str:
    """Return the hash of a commit."""
    return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()


def built(commit: str, cython: str) -> Package:
    """Return the package of a commit, built once with this version of Cython and for this interpreter."""
    interpreter = hashlib.sha256(f"{sys.version} {cython}".encode()).hexdigest()[:12]
    home = BUILT / f"{commit[:12]}-{interpreter}"
    if not home.exists():
        print(f"building {commit[:12]} into {home.relative_to(ROOT)}", file=sys.stderr, flush=True)
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as directory:
            new = pathlib.Path(directory, "new")
            source = new / "source"
            source.mkdir(parents=True)
            subprocess.run(["tar", "-x", "-C", str(source)], input=git("archive", commit), check=True)
            install(source, new / "packages", cython)
            shutil.move(new, home)
    return Package(name_in(home / "source"), home / "packages")


def install(source: pathlib.Path, target: pathlib.Path, cython: str) -> None:
    """Build a checkout with its compiled parts into a separate folder."""
    constraint = source / "cost-constraint.txt"
    constraint.write_text("" if cython == "unknown" else f"cython=={cython}\n")
    environment = dict(os.environ)
    # Two names: pip uses the second one for isolated builds since version 25.3, and the first one before.
    environment |= {"PIP_CONSTRAINT": str(constraint), "PIP_BUILD_CONSTRAINT": str(constraint)}
    environment[Package(name_in(source)).variable("BUILD")] = "compiled"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", str(target), str(source)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise FailedError(f"pip could not build {source}:\n{done.stderr.strip()}")
