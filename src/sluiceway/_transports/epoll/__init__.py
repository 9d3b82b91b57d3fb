"""The epoll engine: one poller for all sockets of a loop, and the transport of each (Linux, compiled)."""
