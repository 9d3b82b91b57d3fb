"""``python -m sluiceway.cli``."""

from sluiceway.cli import main

if __name__ == "__main__":
    main()
