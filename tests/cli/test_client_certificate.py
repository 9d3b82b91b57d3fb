"""``sluiceway headers --cert --key``: wrong files, and servers of nginx and openssl that require a certificate."""

import contextlib
import datetime
import os
import pathlib
from collections.abc import Iterator

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from cli.command_runner import run_command, single_line
from support.background_programs import reserved_port, running
from support.certificates import Certificates


@pytest.fixture
def folder(tmp_path: pathlib.Path, tls: Certificates) -> pathlib.Path:
    """A folder with a client certificate and its key, in two files and in one, and files that are neither."""
    issued = tls.authority.issue_cert("alice@example.org")
    key = issued.private_key_pem.bytes()
    issued.cert_chain_pems[0].write_to_path(tmp_path / "alice.pem")
    (tmp_path / "alice.key").write_bytes(key)
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    private = serialization.load_pem_private_key(key, None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    forms = serialization.PrivateFormat
    for name, form in (("pkcs8", forms.PKCS8), ("old", forms.TraditionalOpenSSL)):
        encrypted = private.private_bytes(serialization.Encoding.PEM, form, encryption)
        (tmp_path / f"encrypted-{name}.key").write_bytes(encrypted)
    (tmp_path / "encrypted.pem").write_bytes(issued.cert_chain_pems[0].bytes() + encrypted)
    for kind in (trustme.KeyType.ECDSA, trustme.KeyType.RSA):
        other = tls.authority.issue_cert("bob@example.org", key_type=kind)
        other.private_key_pem.write_to_path(tmp_path / f"bob-{kind.name}.key")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "text.pem").write_text("no PEM\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


NO_CERTIFICATE = "the file contains no certificate in PEM format"
NO_KEY = "the file contains no private key in PEM format"
NOT_A_PAIR = "the private key does not belong to the certificate; pass the key of --cert"
ENCRYPTED = (
    "the private key is encrypted; pass a file of the key without a passphrase, which "
    "'openssl pkey -in {file} -out FILE' writes"
)
# The files of --cert and --key; the one that the message names, and what it says.
WRONG: list[tuple[str, str | None, str, str]] = [
    ("none.pem", "alice.key", "--cert none.pem", "No such file or directory"),
    ("none.pem", None, "--cert none.pem", "No such file or directory"),
    ("alice.pem", "none.key", "--key none.key", "No such file or directory"),
    ("none.pem", "none.key", "--cert none.pem", "No such file or directory"),
    ("folder", None, "--cert folder", "Is a directory"),
    ("alice.pem", "folder", "--key folder", "Is a directory"),
    ("empty.pem", "alice.key", "--cert empty.pem", NO_CERTIFICATE),
    ("text.pem", None, "--cert text.pem", NO_CERTIFICATE),
    ("alice.key", "alice.pem", "--cert alice.key", NO_CERTIFICATE),
    ("alice.pem", None, "--cert alice.pem", f"{NO_KEY}; pass the file of the key with --key FILE"),
    ("alice.pem", "alice.pem", "--key alice.pem", NO_KEY),
    ("alice.pem", "empty.pem", "--key empty.pem", NO_KEY),
    ("alice.pem", "bob-ECDSA.key", "--key bob-ECDSA.key", NOT_A_PAIR),
    ("alice.pem", "bob-RSA.key", "--key bob-RSA.key", NOT_A_PAIR),
    ("alice.pem", "encrypted-pkcs8.key", "--key encrypted-pkcs8.key", ENCRYPTED),
    ("alice.pem", "encrypted-old.key", "--key encrypted-old.key", ENCRYPTED),
    ("encrypted.pem", None, "--cert encrypted.pem", ENCRYPTED),
]


@pytest.mark.parametrize(("cert", "key", "at_fault", "reason"), WRONG)
def test_wrong_client_certificate_exits_with_2(
    cert: str, key: str | None, at_fault: str, reason: str, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    options = ["--cert", cert] if key is None else ["--cert", cert, "--key", key]
    result = run_command("headers", *options, "https://127.0.0.1/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr) == f"sluiceway: {at_fault}: {reason.format(file=at_fault.split()[1])}"


def test_key_without_certificate_exits_with_2() -> None:
    result = run_command("headers", "--key", "alice.key", "https://127.0.0.1/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr) == (
        "sluiceway: --key alice.key: there is no certificate for it; pass the certificate with --cert FILE"
    )


NGINX = """
daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {tls.certificate_file};
        ssl_certificate_key {tls.key_file};
        ssl_client_certificate {tls.ca_file};
        ssl_verify_client on;
        add_header X-Verified $ssl_client_verify always;
        return 204;
    }}
}}
"""


@pytest.fixture
def nginx(tmp_path: pathlib.Path, tls: Certificates) -> Iterator[str]:
    """The URL of an nginx that requires a client certificate of the tests' authority."""
    with reserved_port() as port:
        (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port, tls=tls))
        command = f"nginx -p {tmp_path} -e stderr -c {tmp_path / 'nginx.conf'}"
        with running(command, tmp_path, port, dict(os.environ)):
            yield f"https://localhost:{port}/"


@pytest.mark.parametrize("files", [("alice.pem", "alice.key"), ("both.pem",)])
def test_nginx_accepts_client_certificate(
    files: tuple[str, ...], folder: pathlib.Path, nginx: str, tls: Certificates
) -> None:
    options = [f"{option}={folder / file}" for option, file in zip(("--cert", "--key"), files, strict=False)]
    result = run_command("headers", "--cafile", tls.ca_file, *options, nginx)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "HTTP header> HTTP/1.1 204 No Content"
    assert "HTTP header> X-Verified: SUCCESS" in lines


def test_nginx_answers_400_without_client_certificate(nginx: str, tls: Certificates) -> None:
    result = run_command("headers", "--cafile", tls.ca_file, nginx)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "HTTP header> HTTP/1.1 400 Bad Request"
    assert "HTTP header> X-Verified: NONE" in lines


@contextlib.contextmanager
def s_server(folder: pathlib.Path, tls: Certificates, *options: str) -> Iterator[str]:
    """Run an ``openssl s_server`` that requires a client certificate of the tests' authority; yield its URL."""
    with reserved_port() as port:
        own = f"-accept 127.0.0.1:{port} -cert {tls.certificate_file} -key {tls.key_file} -CAfile {tls.ca_file}"
        verify = "-Verify 2 -verify_return_error -www"
        with running(" ".join(("openssl s_server", own, verify, *options)), folder, port, dict(os.environ)):
            yield f"https://localhost:{port}/"


def refusal(url: str, tls: Certificates, *options: str) -> str:
    result = run_command("headers", "--cafile", tls.ca_file, *options, url)
    assert (result.exit_code, result.stdout) == (1, "")
    return single_line(result.stderr).removeprefix(f"sluiceway: {url}: ")


def test_missing_client_certificate_is_reported_for_s_server(tmp_path: pathlib.Path, tls: Certificates) -> None:
    with s_server(tmp_path, tls, "-tls1_3") as url:
        assert refusal(url, tls) == (
            f"client certificate required: {url[8:-1]} accepts no client without a certificate; "
            "pass one with --cert FILE, and its key with --key FILE"
        )


def test_missing_client_certificate_is_reported_for_tls_1_2(tmp_path: pathlib.Path, tls: Certificates) -> None:
    """The alert has the number of any failed handshake."""
    with s_server(tmp_path, tls, "-tls1_2") as url:
        line = refusal(url, tls)
        assert line.startswith(f"TLS failed: {url[8:-1]}: ")
        assert line.endswith("and whether the server requires a client certificate (--cert FILE)")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("why", ["certificate expired", "unknown ca"])
def test_refused_client_certificate_is_reported(
    why: str, version: str, tmp_path: pathlib.Path, tls: Certificates
) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    if why == "unknown ca":
        issued = trustme.CA().issue_cert("alice@example.org")
    else:
        issued = tls.authority.issue_cert("alice@example.org", not_after=past)
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "alice.pem")
    with s_server(tmp_path, tls, version) as url:
        assert refusal(url, tls, "--cert", str(tmp_path / "alice.pem")) == (
            f"client certificate refused: {url[8:-1]} ({why}); "
            "pass a certificate that the server accepts with --cert FILE, and its key with --key FILE"
        )
