package remote

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/internal/identity"
)

// sharing is the driver's side of artifacts: a server once there is one.
type sharing struct {
	mu     sync.Mutex
	server *artifacts.Server
	offer  artifacts.Offer
	sizes  map[artifacts.ID]int64 // of all that was ever offered
	epoch  atomic.Int64           // of the offer; 0: there is none
}

// Share serves artifacts that the store holds, and offers refs to the executors
// before their next task. It implements cluster.Sharing.
func (b *Backend) Share(store *artifacts.Store, refs []artifacts.Ref) (artifacts.Offer, error) {
	s := &b.sharing
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		token := rand.Text()
		server, err := artifacts.Serve(store, b.Self, identity.Executor, b.Host, token, true)
		if err != nil {
			return artifacts.Offer{}, err
		}
		s.server, s.sizes = server, map[artifacts.ID]int64{}
		s.offer = artifacts.Offer{Server: server.Addr(), Token: token}
	}
	for _, r := range refs {
		if err := s.server.Add(r.ID); err != nil {
			return artifacts.Offer{}, err
		}
		s.sizes[r.ID] = r.Size
	}
	s.offer.Refs = refs
	s.epoch.Add(1)
	return s.offer, nil
}

// Shared implements cluster.Sharing.
func (b *Backend) Shared() (sent, size int64) {
	s := &b.sharing
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.sizes {
		size += n
	}
	if s.server != nil {
		sent = s.server.Sent()
	}
	return sent, size
}

// tell sends an executor the offer if it is new to it. The backend's mu is held.
func (s *sharing) tell(p *peer) {
	if epoch := s.epoch.Load(); p.offered < epoch {
		s.mu.Lock()
		p.offered = s.epoch.Load()
		o := s.offer
		s.mu.Unlock()
		p.send(kindOffer, o)
	}
}

func (s *sharing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Close()
	}
}

// Place is where an executor keeps artifacts.
type Place struct {
	Self  *identity.Credential
	Host  string // where it serves what it has to others
	Dir   string // "" stands for artifacts.DefaultDir
	Limit int64
}

// fetching is the executor's side: what was offered, fetched by the first task that
// comes behind the offer.
type fetching struct {
	place Place
	turn  chan struct{} // holds a token unless somebody fetches

	mu    sync.Mutex
	offer artifacts.Offer
	epoch int // of offers
	have  int // the one that is there

	store   *artifacts.Store
	server  *artifacts.Server
	fetcher *artifacts.Fetcher
}

func newFetching(p Place) *fetching {
	f := &fetching{place: p, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

func (f *fetching) offered(o artifacts.Offer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offer = o
	f.epoch++
}

// ready returns once all that was offered is there.
func (f *fetching) ready(ctx context.Context) error {
	f.mu.Lock()
	offer, epoch, have := f.offer, f.epoch, f.have
	f.mu.Unlock()
	if have == epoch {
		return nil
	}
	select {
	case <-f.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.turn <- struct{}{} }()
	f.mu.Lock()
	have = f.have
	f.mu.Unlock()
	if have >= epoch {
		return nil
	}
	if err := f.fetch(ctx, offer); err != nil {
		return err
	}
	f.mu.Lock()
	f.have = epoch
	f.mu.Unlock()
	return nil
}

// fetch is called by who has the turn.
func (f *fetching) fetch(ctx context.Context, o artifacts.Offer) (err error) {
	if f.store == nil {
		if f.store, err = artifacts.OpenStore(f.place.Dir, f.place.Limit); err != nil {
			f.store = nil
			return err
		}
	}
	if f.server == nil {
		if f.server, err = artifacts.Serve(f.store, f.place.Self, identity.Executor, f.place.Host, o.Token, false); err != nil {
			f.server = nil
			return err
		}
		f.fetcher = artifacts.NewFetcher(f.store, f.place.Self, o, f.server)
	}
	for _, r := range o.Refs {
		if err := f.fetcher.Fetch(ctx, r); err != nil {
			return err
		}
	}
	artifacts.Mount(f.store, o.Refs)
	return nil
}

// close ends what was started; nobody fetches any more.
func (f *fetching) close() {
	if f.server != nil {
		f.server.Close()
		f.fetcher.Close()
	}
	if f.store != nil {
		f.store.Close()
	}
}
