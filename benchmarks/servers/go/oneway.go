// `sink`: reads of 64 KiB, and at the end of input the number of bytes as a line.
// `source SIZE`: writes of so many bytes, a multiple of 64 KiB.
package main

import (
	"fmt"
	"net"
)

const blockSize = 65536

func sink(connection net.Conn) {
	buffer, count := make([]byte, blockSize), 0
	for {
		n, err := connection.Read(buffer)
		count += n
		if err != nil {
			break
		}
	}
	fmt.Fprintf(connection, "%d\n", count)
}

func source(connection net.Conn) {
	block := make([]byte, size())
	for i := range block {
		at := i % blockSize
		block[i] = byte(at*31 + at>>8)
	}
	for {
		if _, err := connection.Write(block); err != nil {
			return
		}
	}
}

func main() {
	serve(map[string]func(net.Conn){"sink": sink, "source": source}[mode()])
}
