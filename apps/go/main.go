// The contract's application on Go's net/http, with the server that is part of it: the standard library only, so no database.
//
//	server --bind=tcp:HOST:PORT | unix:PATH
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// Longer than nginx keeps an idle upstream connection (60 s), so that it is nginx which closes.
	keepAlive = 75 * time.Second
	// After the signal: time for requests under way to finish.
	drain = 250 * time.Millisecond
)

func main() {
	bind := flag.String("bind", "", "`tcp:HOST:PORT` or unix:PATH")
	version := flag.Bool("version", false, "print the version of Go that this was built with")
	flag.Parse()
	if *version {
		fmt.Println(runtime.Version())
		return
	}
	if err := run(*bind); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run answers until a signal says stop; then it finishes within a second.
func run(bind string) error {
	stopped, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer forget()
	listener, err := listen(bind)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(), IdleTimeout: keepAlive}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-stopped.Done():
	}
	limit, release := context.WithTimeout(context.Background(), drain)
	defer release()
	if err := server.Shutdown(limit); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

func listen(bind string) (net.Listener, error) {
	network, address, found := strings.Cut(bind, ":")
	if !found || (network != "tcp" && network != "unix") {
		return nil, fmt.Errorf("--bind=%s is neither tcp:HOST:PORT nor unix:PATH", bind)
	}
	listener, err := net.Listen(network, address)
	if err == nil && network == "unix" {
		// Any user may connect: a proxy's workers run as another one than this process.
		err = os.Chmod(address, 0o666)
	}
	return listener, err
}
