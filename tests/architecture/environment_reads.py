"""Environment variables are read in ``sluiceway._config``; the command line may read those of other programs."""

from architecture.facts import Facts

CONFIGURATION = "sluiceway._config"
COMMAND_LINE = "sluiceway.cli"
OWN_PREFIX = "SLUICEWAY_"
READERS = {"environ", "environb", "getenv", "getenvb"}


def environment_violations(facts: Facts, module: str) -> list[str]:
    """Return a line for each forbidden read; in the command line, each mapping key that is a name of the package."""
    if module == CONFIGURATION:
        return []
    if module == COMMAND_LINE or module.startswith(f"{COMMAND_LINE}."):
        return [
            f"{module}:{line}: {value} is read in {CONFIGURATION} only"
            for line, value in facts.lookups
            if value.startswith(OWN_PREFIX)
        ]
    lines = [line for line, name in facts.uses if name in {f"os.{reader}" for reader in READERS}]
    lines += [found.line for found in facts.imports if found.name in READERS]
    return [f"{module}:{line}: environment variables are read in {CONFIGURATION} only" for line in sorted(lines)]
