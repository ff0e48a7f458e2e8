package broadcast

// Uploads that one process, or the origin, serves at a time.
const maxUploads = 2

// Spread decides how the pieces of a value get to its peers (B1).
type Spread struct {
	pieces int
	peers  []*peer // in the order in which they came: the origin is not among them
	origin int     // uploads of the origin that are under way
	given  int     // pieces that the origin sent
}

// peer is a process that wants the value, or has it.
type peer struct {
	id      string
	has     []bool
	left    int // pieces that it lacks
	start   int // the piece that it looks at first
	uploads int
	loading int // the piece that is under way to it, −1: none
	from    *peer
	present bool
}

// NewSpread returns the spread of a value of so many pieces.
func NewSpread(pieces int) *Spread { return &Spread{pieces: pieces} }

// Given returns how many pieces the origin was told to send.
func (s *Spread) Given() int { return s.given }

// Verdict is what a peer is to do.
type Verdict uint8

// Fetch: get the piece from the peer named, "" being the origin. Wait: ask again
// when something changed. Done: it has all.
const (
	Fetch Verdict = iota
	Wait
	Done
)

// find returns a peer, which is present from now on.
func (s *Spread) find(id string) *peer {
	for _, p := range s.peers {
		if p.id == id {
			p.present = true
			return p
		}
	}
	p := &peer{id: id, has: make([]bool, s.pieces), left: s.pieces, loading: -1, present: true}
	p.start = len(s.peers) * 7919 // peers look at different pieces first
	s.peers = append(s.peers, p)
	return p
}

// Next tells a peer, which is loading nothing, what to get. One that is hurried has
// waited for too long: it gets a piece from whoever has it, however busy.
func (s *Spread) Next(id string, hurried bool) (piece int, from string, v Verdict) {
	p := s.find(id)
	if p.left == 0 {
		return 0, "", Done
	}
	least := maxUploads
	if hurried {
		least = int(^uint(0) >> 1)
	}
	piece = -1
	var best *peer
	fresh := -1 // a piece that nobody has or gets
	for i := range s.pieces {
		at := (p.start + i) % s.pieces
		if p.has[at] {
			continue
		}
		known := false
		for _, x := range s.peers {
			if x == p || !x.present {
				continue
			}
			known = known || x.has[at] || x.loading == at
			if x.has[at] && x.uploads < least {
				piece, best, least = at, x, x.uploads
			}
		}
		if fresh < 0 && (!known || hurried) {
			fresh = at
		}
	}
	switch {
	case best != nil:
		best.uploads++
	case fresh >= 0 && (hurried || s.origin < maxUploads):
		piece = fresh
		s.origin++
		s.given++
	default:
		return 0, "", Wait
	}
	p.loading, p.from = piece, best
	if best != nil {
		from = best.id
	}
	return piece, from, Fetch
}

// Got takes in what became of the piece that a peer was loading. A peer from which
// it could not be had counts as not having it.
func (s *Spread) Got(id string, ok bool) {
	p := s.find(id)
	at, from := p.loading, p.from
	if at < 0 {
		return
	}
	s.stop(p)
	switch {
	case ok && !p.has[at]:
		p.has[at] = true
		p.left--
	case !ok && from != nil && from.has[at]:
		from.has[at] = false
		from.left++
	}
}

// stop ends what a peer is loading.
func (s *Spread) stop(p *peer) {
	if p.loading < 0 {
		return
	}
	if p.from != nil {
		p.from.uploads--
	} else {
		s.origin--
	}
	p.loading, p.from = -1, nil
}

// Leave says that a peer asks for nothing any more; gone that it is not there
// either, so that nobody gets anything from it.
func (s *Spread) Leave(id string, gone bool) {
	p := s.find(id)
	s.stop(p)
	p.present = !gone
	if gone {
		p.has, p.left = make([]bool, s.pieces), s.pieces
	}
}
