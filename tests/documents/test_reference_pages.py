"""The pages of the reference that are written by hand name everything that the code has, and nothing else."""

import gc
import inspect
import pathlib
import re

import pytest

import sluiceway
from documents.mistakes import MISTAKES
from documents.page_examples import pattern
from sluiceway.cli.application import application
from support.source_messages import Message, exceptions_of, messages, records_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "sluiceway"
REFERENCE = ROOT / "docs" / "reference"

# Read by OpenSSL, not by the package, which notices when they change.
OPENSSL_VARIABLES = {"SSL_CERT_DIR", "SSL_CERT_FILE"}


def headings(page: str, level: int) -> list[str]:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return re.findall(rf"^#{{{level}}} (.+)$", text, flags=re.MULTILINE)


def environment_variables() -> set[str]:
    """Return the names that the package and its installation read from the environment."""
    name = r"[\"']([A-Z_]+)[\"']"
    patterns = (rf"environ\.get\({name}", rf"environ\[{name}\]", rf"getenv\({name}", rf"{name} (?:not )?in os\.environ")
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "setup.py", *PACKAGE.rglob("*.py")]]
    return {found for text in texts for pattern in patterns for found in re.findall(pattern, text)}


def test_every_command_has_a_section() -> None:
    assert sorted(headings("command.md", 2)) == [f"sluiceway {name}" for name in sorted(application.commands)]


def test_docstring_of_stream_names_every_public_method_and_property() -> None:
    """``help(sluiceway.Stream)`` is long, and the docstring of the class is its table of contents."""
    public = {name for name in dir(sluiceway.Stream) if not name.startswith("_")}
    named = set(re.findall(r"``(\w+)(?:\(\))?``", inspect.getdoc(sluiceway.Stream) or ""))
    assert public - named == set()
    assert {name for name in named - public if not hasattr(sluiceway, name)} == set()


def test_every_environment_variable_has_a_section() -> None:
    described = {name for heading in headings("environment.md", 3) for name in heading.split(", ")}
    assert described == environment_variables() | OPENSSL_VARIABLES


# Sections of the page of log records, and what is in them.
LOG_SECTIONS = {
    "Errors": {"error", "exception"},
    "Warnings": {"warning"},
    "Debug records": {"debug"},
    "Reports to the loop's exception handler": {"report"},
}
# What a file logs where its message is a variable.
LOGGED_BY = {
    "_asyncio/server.py": "TLS handshake with … on … failed: …",
    "_transports/epoll/stream_socket.pyx": "<SocketTransport …>: …",
    "_net/bind_tcp.py": "start_server(): error while attempting to bind on address …: …; not listening on this address",
}
# Reports whose message is a parameter.
REPORTED = {
    "Fatal error: the protocol raised an exception for received data",
    "Fatal read error on socket transport",
    "Fatal write error on socket transport",
    "Fatal write error on pipe transport",
    "close() of a file or pipe failed",
    "protocol.…() call failed",
    "protocol.…() failed",
}
# Files whose exceptions no program can get, unless sluiceway has a fault or a program calls its private objects.
INTERNAL = {
    "__init__.py": "a name that the package does not have, with Python's words",
    "_core/connection_state.py": "transitions that do not exist",
    "_core_c/receive_memory.pyx": "sizes that a transport passes",
    "_core_c/caller_buffer.pyx": "misuse of the buffer of a waiting read",
    "_core_c/direct_buffer.pyx": "misuse of the buffer of a waiting read",
    "_core_c/search.pyx": "chunks that the buffer passes",
    "_core_c/waiter.pyx": "misuse of a future, with asyncio's words",
}
# Messages that are variables where they are raised, or that asyncio, the compiler or the operating system makes.
RAISED_INDIRECTLY = {
    "deadline timed out after … s: …",
    (
        "deadline timed out: the stream received and sent fewer than min_rate=… bytes per second "
        "for too long (seconds=…): …"
    ),
    "…() timed out after … s: …",
    (
        "Separator is found, but chunk is longer than limit: a record of … bytes "
        "exceeds the limit of … bytes; raise limit=, or …"
    ),
    (
        "Separator is not found, and chunk exceed the limit: a record of at least … bytes "
        "exceeds the limit of … bytes; raise limit=, or …"
    ),
    "… bytes read on a total of … expected bytes",
    "…(): the stream ended …: …",
    "…data argument cannot be read: …",
    "…(): buffer cannot be written: … (…)",
    "Connection lost: this program has closed …",
    "Connection lost: …",
    "Connection lost: … has ended",
    "…() takes … positional argument… but … were given",
    "…() missing … required positional argument…: …",
    "[Errno 104] Connection reset by peer (connection …)",
    "[Errno 110] Connection timed out (connection …)",
    "fatal error: Python.h: No such file or directory",
    "[Errno 32] Broken pipe (connection …)",
    "[Errno 32] Broken pipe (pipe …)",
    "[Errno 98] Address already in use (…)",
    "[SSL: WRONG_VERSION_NUMBER] wrong version number (…) (connection …)",
    "[SSL: RECORD_LAYER_FAILURE] record layer failure (…) (connection …)",
    "[Errno 24] Too many open files",
    "[Errno 9] Bad file descriptor (connection …)",
    "[Errno 5] Input/output error (pipe …)",
    "[Errno 2] No such file or directory: '…'",
    "[Errno 107] Transport endpoint is not connected (connection …; connect a socket before it is passed as sock=)",
    'cannot connect to "…": …',
    "local=…: …",
    'cannot resolve "…:…": …',
    'cannot resolve local_addr "…:…": …',
    "error while attempting to bind on address …: …",
}


def heads(text: str) -> dict[str, set[str]]:
    """Return the heads of the list items of a page, each with the messages in it."""
    found = {}
    for head in re.findall(r"^- (.+?)\n\n", text, flags=re.DOTALL | re.MULTILINE):
        spans = {span.replace("\n  ", " ") for _, span in re.findall(r"(`+)(.+?)\1(?!`)", head, flags=re.DOTALL)}
        found[head] = {span for span in spans if " " in span or "…" in span}
    return found


def documented(text: str) -> set[str]:
    return set().union(*heads(text).values())


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", (REFERENCE / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("section", LOG_SECTIONS)
def test_every_log_record_has_an_entry(section: str) -> None:
    logged = {
        LOGGED_BY[message.file]
        if message.text in ("…", "…: …", "start_server(): …; not listening on this address")
        else message.text
        for message in messages(records_of)
        if message.kind in LOG_SECTIONS[section]
    }
    if "report" in LOG_SECTIONS[section]:
        logged |= REPORTED
    assert documented(sections("log-records.md")[section]) == logged


def exceptions() -> list[Message]:
    found = messages(exceptions_of)
    return [message for message in found if message.file not in INTERNAL and message.kind != "AssertionError"]


def test_every_exception_has_an_entry() -> None:
    raised = {message.text for message in exceptions()} | RAISED_INDIRECTLY | set().union(*MISTAKES)
    assert documented((REFERENCE / "errors.md").read_text(encoding="utf-8")) == raised


def test_every_exception_has_its_class_in_its_entry() -> None:
    page = heads((REFERENCE / "errors.md").read_text(encoding="utf-8"))
    without = [
        str(message)
        for message in exceptions()
        if message.text != "…: …"  # says nothing about which entry is meant
        and not any(message.text in texts and message.kind in head for head, texts in page.items())
    ]
    assert without == []


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("messages_of_versions", MISTAKES, ids=lambda texts: texts[0])
@pytest.mark.filterwarnings("ignore:.* was never awaited:RuntimeWarning")
async def test_message_of_python_is_as_documented(messages_of_versions: tuple[str, ...]) -> None:
    expected = "|".join(map(pattern, messages_of_versions))
    for mistake in MISTAKES[messages_of_versions]:
        async with await sluiceway.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            with pytest.raises((AttributeError, RuntimeError, TypeError), match=expected):
                await mistake(f"{host}:{port}")
            gc.collect()
