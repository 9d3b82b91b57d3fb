"""``sluiceway demo``: servers and clients on the loopback interface, checks of each step, and a speed comparison."""
