"""The public names of the package, listed a second time so that no name is added or removed by accident."""

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
