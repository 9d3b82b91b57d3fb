"""The public names of the package, written down once more: a name is added or removed on purpose only."""

PUBLIC = {
    "ENGINE",
    "FlowControlMixin",
    "IMPLEMENTATION",
    "IncompleteReadError",
    "LimitOverrunError",
    "PlaintextBeforeTLSError",
    "Server",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "UnixPathError",
    "__version__",
    "install",
    "installed",
    "is_installed",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
    "uninstall",
}
