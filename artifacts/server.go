package artifacts

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
)

// The requests:
//
//	GET /v1/<id>/chunks                    the manifest
//	GET /v1/<id>      Range: bytes=a-b     one chunk; with baseHeader, the id of another
//	                                       artifact, perhaps as a delta over that
//	GET /v1/<id>/held                      says that who asks has all of it
//
// Who asks says with serveHeader where it serves itself. The driver sends each chunk
// to copies of those who do; the others get a conflict with a list of these, and come
// back with insistHeader when none of them could help.
const (
	protocol     = "http/1.1"
	prefix       = "/v1/"
	serveHeader  = "Millrace-Serve"
	insistHeader = "Millrace-Insist"
	baseHeader   = "Millrace-Base"
	copies       = 2
	idle         = 20 * time.Second
)

// Peer is an executor that serves chunks.
type Peer struct {
	ID string // of its certificate
	At string // host:port
}

// Server serves the artifacts of a session, or those chunks that an executor has.
type Server struct {
	store    *Store
	token    string
	spread   bool // it is the driver's
	listener net.Listener
	http     *http.Server
	done     chan struct{}
	sent     atomic.Int64
	shrinks  chan struct{} // one for each delta that is made, which takes memory

	mu      sync.Mutex
	serving map[ID]source
	given   map[chunkAt][]Peer
	held    map[ID]chan struct{} // closed once somebody has said so
}

// source is what is served of one artifact.
type source struct {
	manifest *Manifest
	read     func(b []byte, at int64) error // ErrNotExist: that chunk is not there yet
}

type chunkAt struct {
	id ID
	at int64
}

// Serve starts a server on a free port of a host. Who has the role in the application
// of self may ask it if it knows the token. Spread says that it is the driver's.
func Serve(store *Store, self *identity.Credential, to identity.Role, host, token string, spread bool) (*Server, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, failed("artifacts cannot be served on %s: %v", host, err)
	}
	s := &Server{store: store, token: token, spread: spread, listener: l, done: make(chan struct{}), shrinks: make(chan struct{}, 2), serving: map[ID]source{}, given: map[chunkAt][]Peer{}, held: map[ID]chan struct{}{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: idle, WriteTimeout: 4 * idle, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0)}
	go func() { // ends with Close
		defer close(s.done)
		s.http.Serve(tls.NewListener(l, self.Server(protocol, to)))
	}()
	return s, nil
}

// Addr is host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Sent is how many bytes of artifacts were sent.
func (s *Server) Sent() int64 { return s.sent.Load() }

// Close stops serving.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

// Add serves an artifact that the store holds.
func (s *Server) Add(id ID) error {
	m, err := s.store.Manifest(id)
	if err != nil {
		return failed("the artifact %s cannot be served: %v", id.Short(), err)
	}
	s.add(id, source{m, func(b []byte, at int64) error { return s.store.readAt(id, b, at) }})
	return nil
}

// Held is closed once somebody has said that it has all of an artifact.
func (s *Server) Held(id ID) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] == nil {
		s.held[id] = make(chan struct{})
	}
	return s.held[id]
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *Server) add(id ID, from source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving[id] = from
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		http.Error(w, "the token of the session is missing or wrong", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet {
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	name, list := strings.CutSuffix(path, "/chunks")
	name, held := strings.CutSuffix(name, "/held")
	id, err := ParseID(name)
	if !ok || err != nil || r.URL.RawQuery != "" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	from, ok := s.serving[id]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if held {
		s.Held(id)
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.held[id]; !closed(c) {
			close(c)
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if list {
		w.Header().Set("Content-Type", "application/json")
		m := *from.manifest
		if s.spread {
			m.Bases = s.store.bases(id, m.Size)
		}
		json.NewEncoder(w).Encode(m)
		return
	}
	at, n, err := span(r.Header.Get("Range"), from.manifest.Size)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestedRangeNotSatisfiable)
		return
	}
	if s.spread && !s.mine(w, r, chunkAt{id, at}) {
		return
	}
	b := make([]byte, n)
	if err := from.read(b, at); err != nil {
		http.NotFound(w, r)
		return
	}
	b = s.delta(w, r, b, at)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, at+int64(n)-1, from.manifest.Size))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusPartialContent)
	k, _ := w.Write(b)
	s.sent.Add(int64(k))
}

// delta returns what is sent of a chunk: what it adds to a base that was asked for and
// is here, or all of it.
func (s *Server) delta(w http.ResponseWriter, r *http.Request, chunk []byte, at int64) []byte {
	base, err := ParseID(r.Header.Get(baseHeader))
	if err != nil {
		return chunk
	}
	f, err := s.store.root.Open(base.String())
	if err != nil {
		return chunk
	}
	defer f.Close()
	select {
	case s.shrinks <- struct{}{}:
	case <-r.Context().Done():
		return chunk
	}
	defer func() { <-s.shrinks }()
	dict, err := around(f, at, len(chunk))
	if err != nil {
		return chunk
	}
	small, err := shrink(dict, chunk)
	if err != nil || small == nil {
		return chunk
	}
	w.Header().Set(baseHeader, base.String())
	return small
}

// mine decides whether the driver sends a chunk itself.
func (s *Server) mine(w http.ResponseWriter, r *http.Request, at chunkAt) bool {
	who, err := identity.Peer(*r.TLS)
	if err != nil {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.given[at]
	if len(have) < copies || r.Header.Get(insistHeader) != "" {
		if _, _, err := net.SplitHostPort(r.Header.Get(serveHeader)); err == nil && len(have) < 4*copies {
			s.given[at] = append(have, Peer{ID: who.ID, At: r.Header.Get(serveHeader)})
		}
		return true
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusConflict)
	json.NewEncoder(w).Encode(have)
	return false
}

// span parses the one form of Range that fetchers send: bytes=a-b of one chunk at
// most.
func span(header string, size int64) (at int64, n int, err error) {
	bounds, ok := strings.CutPrefix(header, "bytes=")
	from, to, ok2 := strings.Cut(bounds, "-")
	a, err1 := strconv.ParseInt(from, 10, 64)
	b, err2 := strconv.ParseInt(to, 10, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil || a < 0 || b < a || b >= size || b-a >= MaxChunk {
		return 0, 0, fmt.Errorf("the range must be bytes=a-b of at most %d bytes", MaxChunk)
	}
	return a, int(b - a + 1), nil
}

// client makes the connections to one server.
func client(self *identity.Credential, want identity.Name) *http.Client {
	d := &net.Dialer{Timeout: 5 * time.Second}
	t := &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&tls.Dialer{NetDialer: d, Config: self.Client(protocol, want)}).DialContext(ctx, network, addr)
	}, ResponseHeaderTimeout: idle, IdleConnTimeout: idle, MaxIdleConnsPerHost: 2, DisableCompression: true}
	return &http.Client{Transport: t, Timeout: 4 * idle}
}
