"""The pages of the reference that are written by hand name everything that the code has, and nothing else."""

import pathlib
import re

from sluiceway.cli.application import application

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "sluiceway"
REFERENCE = ROOT / "docs" / "reference"

# Read by OpenSSL, not by the package, which notices when they change.
OPENSSL_VARIABLES = {"SSL_CERT_DIR", "SSL_CERT_FILE"}


def headings(page: str, level: int) -> list[str]:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return re.findall(rf"^#{{{level}}} (.+)$", text, flags=re.MULTILINE)


def environment_variables() -> set[str]:
    """Return the names that the package and its installation read from the environment."""
    name = r"[\"']([A-Z_]+)[\"']"
    patterns = (rf"environ\.get\({name}", rf"environ\[{name}\]", rf"getenv\({name}", rf"{name} (?:not )?in os\.environ")
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "setup.py", *PACKAGE.rglob("*.py")]]
    return {found for text in texts for pattern in patterns for found in re.findall(pattern, text)}


def test_every_command_has_a_section() -> None:
    assert sorted(headings("command.md", 2)) == [f"sluiceway {name}" for name in sorted(application.commands)]


def test_every_environment_variable_has_a_section() -> None:
    described = {name for heading in headings("environment.md", 3) for name in heading.split(", ")}
    assert described == environment_variables() | OPENSSL_VARIABLES
