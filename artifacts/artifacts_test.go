package artifacts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
)

// app is an application: a driver that serves a store, and who may ask it.
type app struct {
	t         *testing.T
	authority *identity.Authority
	store     *Store
	server    *Server
	offer     Offer
}

func newApp(t *testing.T, name string) *app {
	a := &app{t: t}
	var err error
	if a.authority, err = identity.NewAuthority(name); err != nil {
		t.Fatal(err)
	}
	a.store = newStore(t, 1<<30)
	a.server, err = Serve(a.store, a.credential(identity.Driver, "driver"), identity.Executor, "127.0.0.1", "secret", true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.server.Close() })
	a.offer = Offer{Server: a.server.Addr(), Token: "secret"}
	return a
}

func newStore(t *testing.T, limit int64) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir(), limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (a *app) credential(role identity.Role, id string) *identity.Credential {
	a.t.Helper()
	c, err := a.authority.Issue(role, id)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// add puts content into the driver's store and serves it.
func (a *app) add(content []byte) Ref {
	a.t.Helper()
	path := filepath.Join(a.t.TempDir(), "content")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		a.t.Fatal(err)
	}
	ref, err := a.store.Import(path, File)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.server.Add(ref.ID); err != nil {
		a.t.Fatal(err)
	}
	return ref
}

// executor returns a fetcher into a store, which serves others.
func (a *app) executor(id string, store *Store) *Fetcher {
	a.t.Helper()
	self := a.credential(identity.Executor, id)
	server, err := Serve(store, self, identity.Executor, "127.0.0.1", a.offer.Token, false)
	if err != nil {
		a.t.Fatal(err)
	}
	f := NewFetcher(store, self, a.offer, server)
	a.t.Cleanup(func() { f.Close(); server.Close() })
	return f
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// holds checks what a store has.
func holds(t *testing.T, s *Store, ref Ref, want []byte) {
	t.Helper()
	got, err := os.ReadFile(s.Path(ref.ID))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
	}
	if st, err := os.Stat(s.Path(ref.ID)); err == nil && st.Mode().Perm()&0o222 != 0 {
		t.Errorf("mode %s", st.Mode())
	}
}

// An artifact arrives as it is; a changed one resends the chunks that changed.
func TestFetchChanged(t *testing.T) {
	a := newApp(t, "app-1")
	before := random(1, 8<<20)
	after := append(append(append([]byte{}, before[:3<<20]...), "a few bytes more"...), before[3<<20:]...)
	first, second := a.add(before), a.add(after)
	store := newStore(t, 1<<30)
	f := a.executor("1", store)
	for _, r := range []Ref{first, second} {
		if err := f.Fetch(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, store, first, before)
	holds(t, store, second, after)
	if got, most := f.Got.Load(), int64(len(before)+2*MaxChunk); got > most {
		t.Errorf("%d bytes travelled, more than %d", got, most)
	}
	empty := a.add(nil)
	if err := f.Fetch(t.Context(), empty); err != nil {
		t.Error(err)
	}
	holds(t, store, empty, nil)
}

// Some MiB (100 with MILLRACE_SLOW) to eight executors: the driver sends three copies at
// most when each is a host of its own, and one when they share a host.
func TestFetchSpread(t *testing.T) {
	size := 8 << 20
	if os.Getenv("MILLRACE_SLOW") != "" {
		size = 100 << 20
	}
	content := random(2, size)
	for _, hosts := range []int{8, 1} {
		t.Run(fmt.Sprint(hosts), func(t *testing.T) {
			a := newApp(t, "app-1")
			ref := a.add(content)
			stores := make([]*Store, hosts)
			for i := range stores {
				stores[i] = newStore(t, 1<<30)
			}
			var wg sync.WaitGroup
			var got atomic.Int64
			for i := range 8 {
				f := a.executor(fmt.Sprint(i+1), stores[i%hosts])
				wg.Go(func() {
					if err := f.Fetch(t.Context(), ref); err != nil {
						t.Error(err)
					}
					got.Add(f.Got.Load())
				})
			}
			wg.Wait()
			sent, size := a.server.Sent(), int64(size)
			t.Logf("the driver sent %.2f copies, executors got %.2f", float64(sent)/float64(size), float64(got.Load())/float64(size))
			if most := min(3, int64(hosts)); sent > most*size {
				t.Errorf("the driver sent %d bytes, more than %d copies", sent, most)
			}
			for _, s := range stores {
				holds(t, s, ref, content)
				entries, err := os.ReadDir(s.dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					if strings.HasSuffix(e.Name(), ".part") || strings.HasSuffix(e.Name(), ".tmp") {
						t.Errorf("%s is left", e.Name())
					}
				}
			}
		})
	}
}

// Whatever goes wrong on the way is found: it is asked for again, or refused, and
// nothing partial has a name.
func TestFetchDamaged(t *testing.T) {
	content := random(3, 4<<20)
	absent := func(t *testing.T, s *Store, ref Ref) {
		t.Helper()
		if _, err := os.Stat(s.Path(ref.ID)); err == nil {
			t.Error("there is an artifact")
		}
	}
	refused := func(t *testing.T, err error) {
		t.Helper()
		if diag.ClassOf(err) != diag.ArtifactFailed {
			t.Errorf("%v", err)
		}
	}
	// damaging serves an artifact through a function that may spoil what is read.
	damaging := func(t *testing.T, spoil func(call int, b []byte, at int64) error) (*app, Ref) {
		a := newApp(t, "app-1")
		ref := a.add(content)
		m, err := a.store.Manifest(ref.ID)
		if err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		a.server.add(ref.ID, source{m, func(b []byte, at int64) error {
			if err := a.store.readAt(ref.ID, b, at); err != nil {
				return err
			}
			return spoil(int(calls.Add(1)), b, at)
		}})
		return a, ref
	}
	t.Run("a flipped bit, once", func(t *testing.T) {
		fired := false
		a, ref := damaging(t, func(call int, b []byte, _ int64) error {
			if call == 2 {
				b[len(b)/2] ^= 4
				fired = true
			}
			return nil
		})
		s := newStore(t, 1<<30)
		if err := a.executor("1", s).Fetch(t.Context(), ref); err != nil || !fired {
			t.Error(err, fired)
		}
		holds(t, s, ref, content)
	})
	t.Run("a flipped bit, always", func(t *testing.T) {
		a, ref := damaging(t, func(_ int, b []byte, at int64) error {
			b[0] ^= 1
			return nil
		})
		s := newStore(t, 1<<30)
		refused(t, a.executor("1", s).Fetch(t.Context(), ref))
		absent(t, s, ref)
	})
	t.Run("a transfer cut short", func(t *testing.T) {
		a, ref := damaging(t, func(call int, _ []byte, _ int64) error {
			if call%3 == 2 {
				panic(http.ErrAbortHandler)
			}
			return nil
		})
		s := newStore(t, 1<<30)
		if err := a.executor("1", s).Fetch(t.Context(), ref); err != nil {
			t.Error(err)
		}
		holds(t, s, ref, content)
	})
	t.Run("a driver dead half-way", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a, ref := damaging(t, func(call int, _ []byte, _ int64) error {
			if call == 10 {
				cancel() // the session with it
				panic(http.ErrAbortHandler)
			}
			return nil
		})
		s := newStore(t, 1<<30)
		f := a.executor("1", s)
		if err := f.Fetch(ctx, ref); err == nil {
			t.Fatal("it did not die")
		}
		absent(t, s, ref)
		b := newApp(t, "app-2") // another session with the same file goes on where it was
		if again := b.add(content); again.ID != ref.ID {
			t.Fatal("the hash differs")
		}
		g := b.executor("1", s)
		if err := g.Fetch(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		holds(t, s, ref, content)
		if n := g.Got.Load(); n == 0 || n >= int64(len(content)) || n+f.Got.Load() > int64(len(content)+2*MaxChunk) {
			t.Errorf("%d bytes, then %d of %d", f.Got.Load(), n, len(content))
		}
	})
	t.Run("a wrong hash", func(t *testing.T) {
		a := newApp(t, "app-1")
		ref := a.add(content)
		m, err := a.store.Manifest(ref.ID)
		if err != nil {
			t.Fatal(err)
		}
		lie := ref
		lie.ID = sha256.Sum256([]byte("something else"))
		a.server.add(lie.ID, source{m, func(b []byte, at int64) error { return a.store.readAt(ref.ID, b, at) }})
		s := newStore(t, 1<<30)
		refused(t, a.executor("1", s).Fetch(t.Context(), lie))
		absent(t, s, lie)
	})
	t.Run("chunks that are none", func(t *testing.T) {
		a := newApp(t, "app-1")
		ref := a.add(content)
		a.server.add(ref.ID, source{&Manifest{Size: ref.Size, Chunks: []Chunk{{Size: int(ref.Size)}}}, nil})
		s := newStore(t, 1<<30)
		refused(t, a.executor("1", s).Fetch(t.Context(), ref))
	})
	t.Run("no room", func(t *testing.T) {
		a := newApp(t, "app-1")
		ref := a.add(content)
		s := newStore(t, int64(len(content))/2)
		refused(t, a.executor("1", s).Fetch(t.Context(), ref))
		absent(t, s, ref)
	})
	t.Run("no token, or a foreign certificate", func(t *testing.T) {
		a, b := newApp(t, "app-1"), newApp(t, "app-2")
		ref := a.add(content)
		s := newStore(t, 1<<30)
		offer := a.offer
		for _, token := range []string{"", "secre", "secret2"} {
			offer.Token = token
			err := NewFetcher(s, a.credential(identity.Executor, "1"), offer, nil).Fetch(t.Context(), ref)
			if refused(t, err); !strings.Contains(fmt.Sprint(err), "401") {
				t.Errorf("token %q: %v", token, err)
			}
		}
		refused(t, NewFetcher(s, b.credential(identity.Executor, "1"), a.offer, nil).Fetch(t.Context(), ref))
		absent(t, s, ref)
		if n := a.server.Sent(); n != 0 {
			t.Errorf("%d bytes were sent", n)
		}
	})
}

// Ten thousand hostile names open nothing: each is asked for with the right token
// and certificate, and nothing but what is offered is ever answered.
func TestHostileNames(t *testing.T) {
	a := newApp(t, "app-1")
	content := random(4, 100<<10)
	ref := a.add(content)
	outside := filepath.Join(filepath.Dir(a.store.dir), "outside")
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := sha256.Sum256([]byte("link"))
	if err := os.Symlink(outside, filepath.Join(a.store.dir, ID(link).String())); err != nil {
		t.Fatal(err)
	}
	self := a.credential(identity.Executor, "1")
	f := NewFetcher(newStore(t, 1<<30), self, a.offer, nil)
	defer f.Close()
	r := rand.New(rand.NewPCG(7, 7))
	t.Log("seed 7")
	parts := []string{"..", "../", "/", "%2e%2e", "%2f", "\x00", "%00", ref.ID.String(), ref.ID.String()[:63], strings.ToUpper(ref.ID.String()), "etc/passwd", "chunks", "C:\\", "é", ".", "~",
		strings.Repeat("a", 64), strings.Repeat("x", 4<<10), "outside", ID(link).String(), " ", "\n", "?", "#", "=", ".part", ".lock", "import-1.tmp"}
	asked := 0
	for i := range 10_000 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		name := b.String()
		if id, err := ParseID(name); err == nil && id == ref.ID {
			continue
		}
		// As a path of a request, through the handler itself, which gets what no client
		// would send.
		req := &http.Request{Method: http.MethodGet, Header: http.Header{"Authorization": {"Bearer secret"}, "Range": {"bytes=0-1"}}}
		req.URL = mustURL(name)
		w := &answer{header: http.Header{}}
		a.server.ServeHTTP(w, req)
		if w.status == http.StatusOK || w.status == http.StatusPartialContent {
			if !strings.HasSuffix(strings.TrimSuffix(name, "/chunks"), ref.ID.String()) || w.body.Len() < 2 || bytes.Contains(w.body.Bytes(), []byte("outside")) {
				t.Fatalf("%q is answered: %d %.40q", name, w.status, w.body.String())
			}
		}
		// As the text of an ID.
		if _, err := ParseID(name); err == nil && len(name) != 64 {
			t.Fatalf("%q is an ID", name)
		}
		asked = i
	}
	if asked < 9_000 {
		t.Errorf("%d names", asked)
	}
	if a.store.hold(link) {
		t.Error("a symbolic link out of the store is held")
	}
	if err := f.Fetch(t.Context(), Ref{ID: link, Size: 7}); diag.ClassOf(err) != diag.ArtifactFailed {
		t.Error(err)
	}
}

// answer collects what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answer) Header() http.Header { return w.header }
func (w *answer) WriteHeader(s int)   { w.status = s }
func (w *answer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.body.Write(b)
}

func mustURL(name string) *url.URL { return &url.URL{Path: prefix + name} }

// What nobody holds makes room for what is new; what is held stays.
func TestEvict(t *testing.T) {
	dir := t.TempDir()
	put := func(s *Store, seed uint64) (Ref, error) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, random(seed, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		return s.Import(path, Library)
	}
	limit := int64(5<<20) / 2
	s, err := OpenStore(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	var refs []Ref
	for i := range 2 {
		r, err := put(s, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r)
	}
	other, err := OpenStore(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := put(other, 9); diag.ClassOf(err) != diag.ArtifactFailed {
		t.Errorf("what is held was evicted: %v", err)
	}
	s.Close()
	if _, err := put(other, 9); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(other.Path(refs[0].ID)); err == nil {
		t.Error("the oldest is still there")
	}
}
