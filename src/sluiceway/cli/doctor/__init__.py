"""``sluiceway doctor``: what this installation is made of, what carries its connections, and what limits them."""
