#ifndef TCP_H
#define TCP_H

/* Start to connect a non-blocking socket to the server. `number` selects the source address. */
int tcp_connect(unsigned number);
/* Fails the run if the connection attempt has failed. */
void tcp_check_connected(int fd);

#endif
