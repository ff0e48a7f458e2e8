package dbgen

import (
	"runtime"
	"sync"
	"sync/atomic"
	"weak"
)

const (
	// poolBytes is the size of the text that comments are cut from.
	poolBytes = 300 << 20
	// poolSeed starts the stream that all of the text is drawn from.
	poolSeed = 933588178
	// segmentDraws is the distance between the starts of segments: about 8 MB.
	segmentDraws = 2 << 20
	// meetings is how many sentences of a segment are offered as meeting points.
	meetings = 1000
)

// textPool is the text that comments are cut from. It is the same in every run
// and never written again once it is made.
type textPool struct{ text []byte }

// shared is the pool in use, if any: 300 MB are kept as long as somebody
// generates, and left to the garbage collector afterwards.
var shared struct {
	sync.Mutex
	pool weak.Pointer[textPool]
}

// pool returns the text, made now unless somebody else still holds it.
func pool() *textPool {
	shared.Lock()
	defer shared.Unlock()
	p := shared.pool.Value()
	if p == nil {
		p = &textPool{text: makeText(poolBytes, segmentDraws, runtime.GOMAXPROCS(0))}
		shared.pool = weak.Make(p)
	}
	return p
}

// join is where one segment of text hands over to the next: at byte at of the
// pool, with the sentence that starts at draw number draw of the stream.
type join struct {
	at   int
	draw int64
	ok   bool // false: the segments did not meet
}

// makeText makes n bytes of text on several goroutines.
//
// The text is one sequence of draws, and where a sentence begins depends on all
// sentences before it. But sentences begin often: text that is started at any
// draw, in the middle of a sentence, soon begins a sentence at a draw where the
// true text begins one too, and from there on both are the same. So segments
// start blindly every distance draws; each one runs into the next until both
// begin a sentence at the same draw, and tells the next which one that is.
//
//	draws      0 ──────────────── d ──────────────── 2d ─────
//	segment 0  [sentence][sent … ence][sentence]┐
//	segment 1                     [xx][xxxxx]   └[sentence] … [sentence]┐
//	                              not true text  meeting point          └ …
func makeText(n int, distance int64, workers int) []byte {
	text := make([]byte, n)
	joins := make([]chan join, n/int(distance)+2) // a draw makes more than one byte
	for i := range joins {
		joins[i] = make(chan join, 1)
	}
	joins[0] <- join{ok: true}
	var next atomic.Int64
	var met atomic.Bool
	met.Store(true)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			var buf []byte
			for {
				i := int(next.Add(1) - 1)
				if i+1 >= len(joins) {
					return
				}
				var starts map[int64]int
				var end join
				buf, starts, end = segment(buf[:0], int64(i)*distance, distance)
				from := <-joins[i]
				if !from.ok || from.at >= n {
					joins[i+1] <- from
					return
				}
				begin, ok := starts[from.draw]
				if !ok || !end.ok {
					met.Store(false)
					joins[i+1] <- join{}
					return
				}
				part := buf[begin:]
				joins[i+1] <- join{from.at + len(part), end.draw, true}
				copy(text[from.at:], part)
			}
		})
	}
	wg.Wait()
	if met.Load() {
		return text
	}
	s := newStream(poolSeed, 0) // never seen; one goroutine needs no meeting points
	b := make([]byte, 0, n+maxSentence)
	for len(b) < n {
		b = sentence(b, &s)
	}
	return b[:n]
}

// segment appends the text from a draw up to where it meets the text that is
// started distance draws later. It returns the places in b of its own first
// sentences by their draws, and the draw of the meeting point.
func segment(b []byte, draw, distance int64) ([]byte, map[int64]int, join) {
	starts := make(map[int64]int, meetings)
	s := newStream(poolSeed, 0)
	s.skip(draw)
	s.used = draw
	for s.used < draw+distance {
		if len(starts) < meetings {
			starts[s.used] = len(b)
		}
		b = sentence(b, &s)
	}
	ahead, follow := s, newStream(poolSeed, 0)
	follow.skip(draw + distance)
	follow.used = draw + distance
	var scratch []byte
	later := make(map[int64]bool, meetings)
	for range meetings {
		later[follow.used] = true
		scratch = sentence(scratch[:0], &follow)
	}
	for range meetings {
		if later[ahead.used] {
			return b, starts, join{draw: ahead.used, ok: true}
		}
		b = sentence(b, &ahead)
	}
	return b, starts, join{}
}
