#!/bin/sh
# Print the first Python on PATH that is new enough and runs. A pyenv shim may exist but only print an error.
for name in python3 python python3.15 python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$name"
        exit 0
    fi
done
echo "No Python 3.11 or later on PATH. Debian 12 and later: apt-get install python3 python3-venv" >&2
exit 1
