package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/internal/filelock"
	"github.com/millrace-engine/millrace/internal/identity"
)

// Fetcher gets artifacts of a driver, and of executors that have them, into a store.
// It is safe for concurrent use.
type Fetcher struct {
	store  *Store
	self   *identity.Credential
	offer  Offer
	server *Server // of this executor; nil: it serves nobody
	// Got is how many bytes came over the network.
	Got atomic.Int64

	mu      sync.Mutex
	clients map[identity.Name]*http.Client
}

// NewFetcher returns a fetcher of what an offer has. Close ends it.
func NewFetcher(store *Store, self *identity.Credential, offer Offer, server *Server) *Fetcher {
	return &Fetcher{store: store, self: self, offer: offer, server: server, clients: map[identity.Name]*http.Client{}}
}

// Close closes connections.
func (f *Fetcher) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.clients {
		c.CloseIdleConnections()
	}
}

func (f *Fetcher) client(want identity.Name) *http.Client {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.clients[want]
	if c == nil {
		c = client(f.self, want)
		f.clients[want] = c
	}
	return c
}

// Fetch makes sure that the store holds an artifact. What was fetched before it
// failed is used by the next attempt, of whatever process.
func (f *Fetcher) Fetch(ctx context.Context, ref Ref) error {
	if f.store.hold(ref.ID) {
		return f.serve(ref)
	}
	unlock, err := f.store.lock(ctx, ref.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if f.store.hold(ref.ID) { // another process of this host was faster
		return f.serve(ref)
	}
	if err := f.fetch(ctx, ref); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return f.serve(ref)
}

// Held tells the driver that the store has an artifact. Nothing depends on that here,
// so a failure is not one.
func (f *Fetcher) Held(ctx context.Context, ref Ref) {
	if r, err := f.request(ctx, f.driver(), f.offer.Server, ref.ID.String()+"/held", nil); err == nil {
		r.Body.Close()
	}
}

// serve lets others have what this executor holds.
func (f *Fetcher) serve(ref Ref) error {
	if f.server == nil {
		return nil
	}
	return f.server.Add(ref.ID)
}

// lock waits until no other process fetches an artifact.
func (s *Store) lock(ctx context.Context, id ID) (unlock func(), err error) {
	name := id.String() + ".lock"
	file, err := s.root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, s.full(err)
	}
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for !filelock.Exclusive(file) {
		select {
		case <-t.C:
		case <-ctx.Done():
			file.Close()
			return nil, ctx.Err()
		}
	}
	return func() { file.Close() }, nil
}

// partial is an artifact of which some chunks are there.
type partial struct {
	file     *os.File
	manifest *Manifest
	starts   map[int64]int // offset: chunk
	mu       sync.Mutex
	have     []bool
}

// read lets other executors have chunks that were verified.
func (p *partial) read(b []byte, at int64) error {
	i, ok := p.starts[at]
	p.mu.Lock()
	ok = ok && p.have[i] && len(b) == p.manifest.Chunks[i].Size
	p.mu.Unlock()
	if !ok {
		return fs.ErrNotExist
	}
	_, err := p.file.ReadAt(b, at)
	return err
}

func (p *partial) got(i int) {
	p.mu.Lock()
	p.have[i] = true
	p.mu.Unlock()
}

func (f *Fetcher) fetch(ctx context.Context, ref Ref) error {
	m, err := f.manifest(ctx, ref)
	if err != nil {
		return err
	}
	base := f.store.base(m)
	defer base.close()
	if err := f.store.reserve(ref.Size); err != nil { // which may evict the base: it is open
		return err
	}
	name := ref.ID.String() + ".part"
	file, err := f.store.root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return f.store.full(err)
	}
	p := &partial{file: file, manifest: m, starts: map[int64]int{}, have: make([]bool, len(m.Chunks))}
	if f.server != nil {
		f.server.add(ref.ID, source{m, p.read})
	}
	defer file.Close()
	if err := f.chunks(ctx, ref, p, base); err != nil {
		return err
	}
	if err := file.Truncate(ref.Size); err != nil {
		return f.store.full(err)
	}
	if id, err := sum(file, ref.Size); err != nil || id != ref.ID {
		f.store.root.Remove(name)
		return failed("the artifact %s does not have the hash %s that it is named by", ref.Name, ref.ID.Short()).
			WithRemedy("it is fetched anew by the next query; if this repeats, add the file again")
	}
	return f.store.adopt(file, name, ref, m)
}

// chunks fills a partial artifact: with what is there from an attempt before, what
// other artifacts have (A3), and the rest over the network. It begins anywhere, so
// that executors that start together soon have different chunks to offer.
func (f *Fetcher) chunks(ctx context.Context, ref Ref, p *partial, base base) error {
	offsets := make([]int64, len(p.manifest.Chunks))
	at := int64(0)
	for i, c := range p.manifest.Chunks {
		offsets[i] = at
		p.starts[at] = i
		at += int64(c.Size)
	}
	known := f.store.index()
	b := make([]byte, MaxChunk)
	first := 0
	if n := len(offsets); n > 0 {
		first = rand.IntN(n)
	}
	for k := range offsets {
		i := (first + k) % len(offsets)
		c, at := p.manifest.Chunks[i], offsets[i]
		if n, err := p.file.ReadAt(b[:c.Size], at); n == c.Size && (err == nil || errors.Is(err, io.EOF)) && sha256.Sum256(b[:c.Size]) == c.Hash {
			p.got(i)
			continue
		}
		if from, ok := known[c.Hash]; !ok || !f.store.copyOf(from, c, b) {
			if err := f.chunk(ctx, ref, c, at, b[:c.Size], &base); err != nil {
				return err
			}
		}
		if _, err := p.file.WriteAt(b[:c.Size], at); err != nil {
			f.store.root.Remove(ref.ID.String() + ".part") // a full disk needs the room
			return f.store.full(err)
		}
		p.got(i)
	}
	return nil
}

// errRefused says that asking again is no use.
var errRefused = errors.New("401: the token of the session is missing or wrong")

// errDelta says that the base may be damaged: chunks are asked for whole from then on.
var errDelta = errors.New("a delta that does not help")

// attempts is how often a chunk is asked for, with pauses that double.
const attempts = 5

// chunk gets a chunk that has its hash: of the driver, or of executors that it names.
func (f *Fetcher) chunk(ctx context.Context, ref Ref, c Chunk, at int64, b []byte, over *base) error {
	pause := 50 * time.Millisecond
	insist := false
	var err error
	for n := range attempts {
		if n > 0 {
			t := time.NewTimer(pause)
			pause *= 2
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return ctx.Err()
			}
		}
		var peers []Peer
		peers, err = f.ask(ctx, f.driver(), f.offer.Server, ref.ID, c, at, b, insist, *over)
		if err == nil && peers == nil {
			return nil
		}
		if errors.Is(err, errRefused) {
			break
		}
		for _, k := range rand.Perm(len(peers)) {
			who := f.self.Name
			who.ID = peers[k].ID
			if who == f.self.Name {
				continue
			}
			if _, err = f.ask(ctx, who, peers[k].At, ref.ID, c, at, b, false, *over); err == nil {
				return nil
			}
		}
		insist = n >= 1 // they had time to get it
		if errors.Is(err, errDelta) {
			*over = base{}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed("the artifact %s cannot be fetched: %v", ref.Name, err).
		WithRemedy("the driver must be reachable from its executors at %s", f.offer.Server)
}

func (f *Fetcher) driver() identity.Name {
	return identity.Name{App: f.self.Name.App, Role: identity.Driver, ID: "driver"}
}

// request asks a server for something.
func (f *Fetcher) request(ctx context.Context, who identity.Name, at, path string, header map[string]string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at+prefix+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+f.offer.Token)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return f.client(who).Do(r)
}

// ask gets one chunk, or who has it, and checks its hash.
func (f *Fetcher) ask(ctx context.Context, who identity.Name, at string, id ID, c Chunk, from int64, b []byte, insist bool, over base) ([]Peer, error) {
	header := map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, from+int64(c.Size)-1)}
	if f.server != nil {
		header[serveHeader] = f.server.Addr()
	}
	if insist {
		header[insistHeader] = "1"
	}
	if over.file != nil {
		header[baseHeader] = over.id.String()
	}
	r, err := f.request(ctx, who, at, id.String(), header)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	switch r.StatusCode {
	case http.StatusConflict:
		var peers []Peer
		if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&peers); err != nil {
			return nil, err
		}
		return append([]Peer{}, peers...), nil
	case http.StatusPartialContent:
	case http.StatusUnauthorized:
		return nil, errRefused
	default:
		return nil, fmt.Errorf("%s answers %s", who, r.Status)
	}
	shrunk := over.file != nil && r.Header.Get(baseHeader) == over.id.String()
	if shrunk {
		delta, err := io.ReadAll(io.LimitReader(r.Body, int64(len(b))))
		f.Got.Add(int64(len(delta)))
		if err == nil {
			err = over.expand(delta, b, from)
		}
		if err != nil {
			return nil, fmt.Errorf("%s sent %w: %w", who, errDelta, err)
		}
	} else {
		n, err := io.ReadFull(r.Body, b)
		f.Got.Add(int64(n))
		if err != nil {
			return nil, fmt.Errorf("%s sent %d of %d bytes: %w", who, n, len(b), err)
		}
	}
	if sha256.Sum256(b) != c.Hash {
		if shrunk {
			return nil, fmt.Errorf("%s sent %w: it makes other bytes", who, errDelta)
		}
		return nil, fmt.Errorf("%s sent other bytes than the hash of the chunk says", who)
	}
	return nil, nil
}

// manifest gets the list of an artifact's chunks of the driver.
func (f *Fetcher) manifest(ctx context.Context, ref Ref) (*Manifest, error) {
	var err error
	pause := 50 * time.Millisecond
	for range attempts {
		var r *http.Response
		if r, err = f.request(ctx, f.driver(), f.offer.Server, ref.ID.String()+"/chunks", nil); err == nil {
			var m Manifest
			if r.StatusCode == http.StatusOK {
				err = json.NewDecoder(io.LimitReader(r.Body, 128<<20)).Decode(&m)
			} else if r.StatusCode == http.StatusUnauthorized {
				err = errRefused
			} else {
				err = fmt.Errorf("the driver answers %s", r.Status)
			}
			r.Body.Close()
			if err == nil {
				err = m.check(ref.Size)
			}
			if err == nil {
				return &m, nil
			}
		}
		if errors.Is(err, errRefused) {
			break
		}
		t := time.NewTimer(pause)
		pause *= 2
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
	return nil, failed("the artifact %s cannot be fetched: %v", ref.Name, err).
		WithRemedy("the driver must be reachable from its executors at %s", f.offer.Server)
}
