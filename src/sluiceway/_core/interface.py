"""What a writer writes to without a detour: the inner half of a transport of ours, in place of the transport itself.

The core knows it as ``_ps_sink``.
"""

from __future__ import annotations

from typing import Any


class Sink:
    """``closing`` is true once nothing that is written will be sent."""

    closing: bool

    def write(self, data: Any) -> object:
        """Send ``data``, bytes-like, as soon as the peer takes it."""
        raise NotImplementedError

    def write_pieces(self, pieces: list[bytes]) -> object:
        """The same for several, none of them empty, in one go."""
        raise NotImplementedError

    def before_drain(self) -> object:
        """Called by every drain before it looks whether there is room."""
        raise NotImplementedError

    def uncork(self) -> object:
        """Send what waits for the end of a step."""
        raise NotImplementedError
