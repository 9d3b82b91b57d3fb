"""Old name of ``support.renegotiating_tls``, for tls_cores.py and tests/core/ until their imports are renamed."""

from support.renegotiating_tls import RenegotiatingSSLObject


class Hesitant(RenegotiatingSSLObject):
    @property
    def hesitates(self) -> bool:
        return self.renegotiating

    @hesitates.setter
    def hesitates(self, value: bool) -> None:
        self.renegotiating = value
