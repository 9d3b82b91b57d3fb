"""The epoll engine: one poller for all sockets of a loop, and their transports (Linux, compiled only)."""
