"""Layer 2, compiled, Linux only: one epoll descriptor under the running loop serves all of sluiceway's sockets."""
