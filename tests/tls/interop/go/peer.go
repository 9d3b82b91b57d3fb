// A peer that speaks TLS by Go's own crypto/tls.
//
//	peer client ADDRESS CA VERSION [CERTIFICATE KEY]
//	    Connects to localhost at ADDRESS twice, one session cache for both. Each time it sends a MiB while it receives
//	    it back, says "VERSION resumed=BOOL protocol=ALPN", and leaves with close_notify, to which the other side's
//	    close_notify must have come first where it says "clean".
//	peer server CERTIFICATE KEY VERSION [CA]
//	    Says "listening ADDRESS", then sends back what each connection sends, and says how the connection ended.
//	    With CA it demands a client's certificate of it, and says "client NAME".
//
// VERSION is 1.2 or 1.3. What goes wrong is said as "failed: REASON".
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
)

const amount = 1 << 20

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
var names = map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func pool(path string) *x509.CertPool {
	text, err := os.ReadFile(path)
	must(err)
	made := x509.NewCertPool()
	made.AppendCertsFromPEM(text)
	return made
}

func pair(certificate, key string) []tls.Certificate {
	made, err := tls.LoadX509KeyPair(certificate, key)
	must(err)
	return []tls.Certificate{made}
}

func client(arguments []string) {
	config := &tls.Config{
		RootCAs:            pool(arguments[1]),
		ServerName:         "localhost",
		MinVersion:         versions[arguments[2]],
		MaxVersion:         versions[arguments[2]],
		NextProtos:         []string{"echo"},
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	if len(arguments) > 3 {
		config.Certificates = pair(arguments[3], arguments[4])
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), amount/16)
	for round := 0; round < 2; round++ {
		connection, err := tls.Dial("tcp", arguments[0], config)
		must(err)
		go connection.Write(data)
		received := make([]byte, amount)
		_, err = io.ReadFull(connection, received)
		must(err)
		if !bytes.Equal(received, data) {
			fmt.Println("failed: it is not what was sent")
			os.Exit(1)
		}
		state := connection.ConnectionState()
		fmt.Printf("%s resumed=%t protocol=%s\n", names[state.Version], state.DidResume, state.NegotiatedProtocol)
		must(connection.CloseWrite())
		if _, err = connection.Read(received); err == io.EOF {
			fmt.Println("clean")
		} else {
			fmt.Println("failed:", err)
		}
		connection.Close()
	}
}

func server(arguments []string) {
	config := &tls.Config{
		Certificates: pair(arguments[0], arguments[1]),
		MinVersion:   versions[arguments[2]],
		MaxVersion:   versions[arguments[2]],
		NextProtos:   []string{"echo"},
	}
	if len(arguments) > 3 {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, pool(arguments[3])
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	must(err)
	fmt.Println("listening", listener.Addr())
	for {
		connection, err := listener.Accept()
		must(err)
		go serve(connection.(*tls.Conn))
	}
}

func serve(connection *tls.Conn) {
	defer connection.Close()
	if err := connection.Handshake(); err != nil {
		fmt.Println("failed:", err)
		return
	}
	for _, certificate := range connection.ConnectionState().PeerCertificates {
		fmt.Println("client", certificate.DNSNames)
	}
	// io.Copy tells nothing of close_notify, and an error of an end without it.
	if _, err := io.Copy(connection, connection); err != nil {
		fmt.Println("failed:", err)
		return
	}
	fmt.Println("clean")
}

func main() {
	if os.Args[1] == "client" {
		client(os.Args[2:])
	} else {
		server(os.Args[2:])
	}
}
