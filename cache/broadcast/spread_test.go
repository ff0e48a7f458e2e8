package broadcast

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestSpread lets peers come, get pieces in any order and at any speed, fail and go:
// all that stay get everything, nobody is asked for what it does not have, and the
// origin sends little more than one copy as long as nothing fails (B1).
func TestSpread(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		pieces, n := 1+r.IntN(40), 1+r.IntN(10)
		s := NewSpread(pieces)
		has := map[string]map[int]bool{}
		type load struct {
			piece int
			from  string
		}
		loads := map[string]load{}
		done, gone := map[string]bool{}, map[string]bool{}
		faults, failures := r.IntN(3), 0
		for steps := 0; len(done)+len(gone) < n; steps++ {
			if steps > 100000 {
				t.Fatalf("seed %d: %d of %d are done", seed, len(done), n)
			}
			id := fmt.Sprint(r.IntN(n))
			if done[id] || gone[id] {
				continue
			}
			if has[id] == nil {
				has[id] = map[int]bool{}
			}
			if l, ok := loads[id]; ok {
				delete(loads, id)
				switch {
				case gone[l.from] || faults > 0 && r.IntN(30) == 0:
					if !gone[l.from] {
						faults--
						delete(has[l.from], l.piece)
					}
					failures++
					s.Got(id, false)
				default:
					if l.from != "" && !has[l.from][l.piece] {
						failures++
						s.Got(id, false)
						break
					}
					has[id][l.piece] = true
					s.Got(id, true)
				}
				continue
			}
			if faults > 0 && r.IntN(100) == 0 {
				faults--
				failures += pieces
				gone[id] = true
				s.Leave(id, true)
				continue
			}
			piece, from, v := s.Next(id, len(loads) == 0)
			switch v {
			case Fetch:
				if has[id][piece] {
					t.Fatalf("seed %d: %s gets piece %d twice", seed, id, piece)
				}
				if gone[from] || from == id {
					t.Fatalf("seed %d: %s gets piece %d from %q", seed, id, piece, from)
				}
				loads[id] = load{piece, from}
			case Done:
				if len(has[id]) != pieces && failures == 0 {
					t.Fatalf("seed %d: %s is done with %d of %d pieces", seed, id, len(has[id]), pieces)
				}
				done[id] = true
				s.Leave(id, false)
			}
		}
		if s.Given() > pieces+failures {
			t.Fatalf("seed %d: the origin sent %d pieces of %d, after %d failures", seed, s.Given(), pieces, failures)
		}
	}
}
