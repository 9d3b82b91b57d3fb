"""The command ``sluiceway doctor``: the versions, the implementation and the limits of an installation."""
