// Records of a fixed size (`records SIZE`), with four bytes of length before them (`frames`), or large ones that are
// answered by their last byte (`blocks SIZE`).
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

func records(connection net.Conn) {
	reader, record := bufio.NewReader(connection), make([]byte, size())
	for {
		if _, err := io.ReadFull(reader, record); err != nil {
			return
		}
		if _, err := connection.Write(record); err != nil {
			return
		}
	}
}

func frames(connection net.Conn) {
	reader, frame := bufio.NewReader(connection), make([]byte, 4)
	for {
		if _, err := io.ReadFull(reader, frame[:4]); err != nil {
			return
		}
		whole := 4 + int(binary.BigEndian.Uint32(frame))
		if whole > len(frame) {
			frame = append(frame, make([]byte, whole-len(frame))...)
		}
		if _, err := io.ReadFull(reader, frame[4:whole]); err != nil {
			return
		}
		if _, err := connection.Write(frame[:whole]); err != nil {
			return
		}
	}
}

func blocks(connection net.Conn) {
	record := make([]byte, size())
	for {
		if _, err := io.ReadFull(connection, record); err != nil {
			return
		}
		if _, err := connection.Write(record[len(record)-1:]); err != nil {
			return
		}
	}
}

func main() {
	serve(map[string]func(net.Conn){"records": records, "frames": frames, "blocks": blocks}[mode()])
}
