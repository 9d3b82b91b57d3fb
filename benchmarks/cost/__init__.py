"""`make cost`: count user-mode instructions and system calls per message with valgrind, and compare with figures.json.

From the lowest layer to the highest: `gate.c` is loaded into the measured server (`echo_server.py`) and stops it before
it sleeps; `lockstep.py` is the driver's side of the gate; `client.py` is one connection of the driver; `scenarios.py`
and `rounds.py` define the data that the driver sends; `counts.py` reads the output of valgrind; `callgrind.py` runs one
scenario, `running.py` several in parallel. `package.py` finds the package of a checkout, `commits.py` builds an older
commit, `machine.py` describes the environment of the counts, `figures.py` contains the file format and the growth
rules, `comparing.py` selects the figures to compare with, `table.py` is the report, and `__main__.py` the command line.
"""
