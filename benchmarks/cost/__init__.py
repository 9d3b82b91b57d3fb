"""`make cost`: user-mode instructions and system calls per message, counted by valgrind and compared with figures.json.

From the bottom up: `gate.c` is loaded into the measured server (`echo_server.py`) and stops it where it would sleep;
`lockstep.py` has the driver's side of that; `client.py` is one connection of the driver; `scenarios.py` and `rounds.py`
are what the driver sends; `counts.py` reads what valgrind wrote; `callgrind.py` runs one scenario, `running.py` several
at the same time. `package.py` finds the package of a checkout, `commits.py` builds that of an older commit,
`machine.py` describes what the counts depend on, `figures.py` has the file and its growth rules, `comparing.py` chooses
what is compared with, `table.py` is the report, `__main__.py` the command line.
"""
