package ui

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
)

// nextPorts is how many ports after the one asked for are tried when that is taken.
const nextPorts = 16

// Server serves pages.
type Server struct {
	URL    string
	server *http.Server
	ended  chan struct{}
}

// Listen serves a handler on host:port, which must be of the loopback (V3); port 0
// takes any, and where another is taken the next free one serves. Close ends it.
func Listen(ctx context.Context, address string, h http.Handler) (*Server, error) {
	host, port, err := CheckAddress(address)
	if err != nil {
		return nil, err
	}
	var l net.Listener
	for try := range nextPorts {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port+try)))
		if port == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, diag.New(diag.InvalidSetting, "pages cannot be served on %s: %v", address, err).WithRemedy("another port as %s:0, which takes any", host)
	}
	s := &Server{URL: "http://" + l.Addr().String(), ended: make(chan struct{}),
		server: &http.Server{Handler: guard(h), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}}
	go func() { // ends with Close
		defer close(s.ended)
		_ = s.server.Serve(l)
	}()
	return s, nil
}

// CheckAddress reads host:port and refuses what is not of the loopback.
func CheckAddress(address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, diag.New(diag.InvalidSetting, "%q is no address for pages", address).WithRemedy("host:port, as 127.0.0.1:4040")
	}
	if !loopback(host) {
		return "", 0, diag.New(diag.InvalidSetting, "pages are served on the loopback only, not on %s: whoever reaches them sees every query", host).
			WithRemedy("127.0.0.1:%d, and from elsewhere a tunnel, as ssh -L %d:127.0.0.1:%d HOST", port, port, port)
	}
	return host, port, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// guard refuses requests for names that are not the loopback's, and tells browsers
// what a page may do: load its own style and script, and ask itself.
func guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !loopback(host) {
			http.Error(w, "this server answers to loopback names only", http.StatusMisdirectedRequest)
			return
		}
		x := w.Header()
		x.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		x.Set("X-Content-Type-Options", "nosniff")
		x.Set("Referrer-Policy", "no-referrer")
		x.Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// Close ends the server; pages under way may take a second.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	<-s.ended
	return err
}
