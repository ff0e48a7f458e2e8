package link

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Door accepts the connections of a listener for a server, so many at a time: what
// comes beyond is closed.
type Door struct {
	listener net.Listener
	server   *Server
	places   chan struct{}
	running  sync.WaitGroup
}

// Open accepts connections until Close. Serve is called for each, in a goroutine of
// its own, and closes it.
func Open(l net.Listener, s *Server, most int, serve func(net.Conn)) *Door {
	d := &Door{listener: l, server: s, places: make(chan struct{}, most)}
	d.running.Go(func() { d.accept(serve) })
	return d
}

func (d *Door) accept(serve func(net.Conn)) {
	for {
		raw, err := d.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || d.server.Context().Err() != nil {
				return
			}
			select { // out of descriptors, say
			case <-time.After(10 * time.Millisecond):
			case <-d.server.Context().Done():
			}
			continue
		}
		select {
		case d.places <- struct{}{}:
			d.running.Go(func() {
				defer func() { <-d.places }()
				serve(raw)
			})
		default:
			raw.Close()
		}
	}
}

// Close closes the listener and the server, and waits for all that it serves.
func (d *Door) Close() error {
	err := d.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	d.server.Close()
	d.running.Wait()
	return err
}
