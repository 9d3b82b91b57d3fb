"""Load the client certificate of ``sluiceway headers``, with an error that names the option and the file at fault."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn, cast

from sluiceway.cli.bad_argument import BadArgument

# OpenSSL's reasons if certificate and key are not a pair. The last two are for keys of two types, such as RSA and EC.
_NOT_A_PAIR = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})


class _EncryptedKeyError(Exception):
    """Raised if OpenSSL needs a passphrase, which it would otherwise ask for on the terminal."""


def load_client_certificate(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Load a certificate and its private key into ``context``.

    Args:
        context: the TLS context of the https requests.
        cert: the file of the certificate (``--cert``).
        key: the file of the key (``--key``). None means that ``cert`` contains it.

    Raises:
        BadArgument: a file cannot be read or contains no certificate or key, the key is encrypted, or the two are not a
            pair.
    """
    try:
        context.load_cert_chain(cert, key, _refuse_passphrase)
    except _EncryptedKeyError:
        file = cert if key is None else key
        raise BadArgument(
            f"{_option(cert, key)}: the private key is encrypted; pass a file of the key without a passphrase, which "
            f"'openssl pkey -in {file} -out FILE' writes"
        ) from None
    except ssl.SSLError as error:
        raise BadArgument(_fault(error, cert, key)) from None
    except OSError as error:
        # The error of Python 3.14 and earlier does not name the file.
        for option, path in (("--cert", cert), ("--key", key)):
            if path is not None:
                _check_readable(option, path)
        raise BadArgument(f"--cert {cert}: {error.strerror}") from None


def _refuse_passphrase() -> NoReturn:
    raise _EncryptedKeyError


def _option(cert: Path, key: Path | None) -> str:
    """Return the option that names the file of the key, with the file."""
    return f"--cert {cert}" if key is None else f"--key {key}"


def _fault(error: ssl.SSLError, cert: Path, key: Path | None) -> str:
    if not _contains_certificate(cert):
        return f"--cert {cert}: the file contains no certificate in PEM format"
    reason = cast("str | None", error.reason)  # None if the file is not in PEM format
    if reason in _NOT_A_PAIR:
        return f"{_option(cert, key)}: the private key does not belong to the certificate; pass the key of --cert"
    if reason is not None:
        # For example a key that is too short for the security level of OpenSSL.
        return f"--cert {cert}: {reason.replace('_', ' ').lower()}"
    advice = "; pass the file of the key with --key FILE" if key is None else ""
    return f"{_option(cert, key)}: the file contains no private key in PEM format{advice}"


def _contains_certificate(cert: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert)
    except OSError:
        return False
    return True


def _check_readable(option: str, file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise BadArgument(f"{option} {file}: {error.strerror}") from None
