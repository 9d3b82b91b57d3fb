"""The command ``sluiceway demo``: servers and clients on the loopback interface, and a comparison of speed."""
