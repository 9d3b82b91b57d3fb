"""``sluiceway demo``: servers and clients on loopback, each step checked, and a comparison measured on the spot."""
