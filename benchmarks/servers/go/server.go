// What the Go servers share: listen on a port of the kernel's choice, print it, one goroutine for each connection.
// The command line is MODE SIZE [WORDS...] [--tls CERTIFICATE KEY].
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
)

func mode() string { return os.Args[1] }

func size() int {
	size, err := strconv.Atoi(os.Args[2])
	if err != nil {
		os.Exit(1)
	}
	return size
}

// Everything but the certificate is Go's default; the load generator chooses version and cipher.
func secured(listener net.Listener) net.Listener {
	at := len(os.Args) - 3
	if at < 3 || os.Args[at] != "--tls" {
		return listener
	}
	certificate, err := tls.LoadX509KeyPair(os.Args[at+1], os.Args[at+2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
}

func serve(handle func(net.Conn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener = secured(listener)
	fmt.Println(port)
	for {
		connection, err := listener.Accept() // with TCP_NODELAY, Go's default
		if err != nil {
			continue
		}
		go func() {
			defer connection.Close()
			handle(connection)
		}()
	}
}
