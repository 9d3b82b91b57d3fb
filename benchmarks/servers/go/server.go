// What the Go servers share: listen on a port of the kernel's choice, print it, one goroutine for each connection.
package main

import (
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

func serve(handle func(net.Conn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
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
