// Lines, each answered by a write of its own. With `connect` the connection closes after the first; with `buffered`
// answers are collected by a bufio.Writer for as long as there are lines that have been received.
package main

import (
	"bufio"
	"net"
	"os"
)

func lines(connection net.Conn) {
	reader := bufio.NewReader(connection)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err := connection.Write(line); err != nil || mode() == "connect" {
			return
		}
	}
}

func buffered(connection net.Conn) {
	reader, writer := bufio.NewReader(connection), bufio.NewWriter(connection)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err := writer.Write(line); err != nil {
			return
		}
		if reader.Buffered() == 0 && writer.Flush() != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) > 3 && os.Args[3] == "buffered" {
		serve(buffered)
	}
	serve(lines)
}
