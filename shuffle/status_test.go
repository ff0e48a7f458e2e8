package shuffle

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parts returns n partitions, many of them empty and a few large.
func parts(r *rand.Rand, n int) []Part {
	out := make([]Part, n)
	for i := range out {
		if r.IntN(3) == 0 {
			continue
		}
		out[i] = Part{Sum{1 + r.Int64N(1000), r.Uint64()}, 1 + r.Int64N(1000)}
		if r.IntN(500) == 0 {
			out[i].Bytes *= 10000
		}
	}
	return out
}

// Up to MaxExact partitions a status is exact; above it still tells which have
// rows, what they add up to together, and which are large. It survives its way
// through JSON.
func TestMapStatus(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, n := range []int{0, 1, 7, 1025, MaxExact, MaxExact + 1, 65537} {
		all := parts(r, n)
		made := NewMapStatus(3, 1, true, all)
		b, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		if most := 64<<10 + 32*MaxExact; len(b) > most {
			t.Errorf("%d partitions take %d bytes", n, len(b))
		}
		var s MapStatus
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			if d := cmp.Diff(made, s); d != "" {
				t.Fatal(d)
			}
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		total, bytes, told := Sum{}, int64(0), int64(0)
		for p, x := range all {
			total = total.Plus(x.Sum)
			bytes += x.Bytes
			told += s.Bytes(p)
			if s.Has(p) != (x.Rows > 0) {
				t.Fatalf("partition %d of %d with %d rows: Has is %t", p, n, x.Rows, s.Has(p))
			}
			sum, exact := s.Sum(p)
			if exact && sum != x.Sum || exact != (n <= MaxExact || x.Rows == 0) {
				t.Fatalf("partition %d of %d: %v, exact %t, want %v", p, n, sum, exact, x.Sum)
			}
			if n <= MaxExact && s.Bytes(p) != x.Bytes {
				t.Fatalf("partition %d has %d bytes, told %d", p, x.Bytes, s.Bytes(p))
			}
		}
		if got, _ := s.Sum(All); got != total || s.Total.Bytes != bytes {
			t.Errorf("%d partitions: all are %v, want %v", n, got, total)
		}
		if n > 0 && (told > bytes || told < bytes-int64(n)) {
			t.Errorf("%d partitions: %d bytes are told of %d", n, told, bytes)
		}
		if s.Has(-1) || s.Has(n) || s.Bytes(n) != 0 {
			t.Error("a partition that is not there has rows")
		}
	}
}

// The partitions that a sketch has room for are the largest ones.
func TestLarge(t *testing.T) {
	all := make([]Part, 10000)
	for i := range all {
		all[i] = Part{Sum{Rows: 1}, 10}
		if i%50 == 0 {
			all[i].Bytes = 1000 + int64(i)
		}
	}
	s := NewMapStatus(0, 0, false, all)
	if len(s.Sketch.Large) != maxLarge || s.Bytes(9950) != all[9950].Bytes || s.Bytes(5000) != all[5000].Bytes || s.Bytes(0) >= 1000 {
		t.Errorf("%d large ones: %v", len(s.Sketch.Large), s.Sketch.Large[:3])
	}
}

// What another process sends may be anything.
func TestCheck(t *testing.T) {
	good := func() MapStatus { return NewMapStatus(0, 0, true, []Part{{Sum{2, 5}, 1}, {}}) }
	many := func() MapStatus { return NewMapStatus(0, 0, true, make([]Part, 3000)) }
	for name, s := range map[string]MapStatus{
		"total":       func() MapStatus { s := good(); s.Total.Rows++; return s }(),
		"hash":        func() MapStatus { s := good(); s.Total.Hash++; return s }(),
		"partitions":  func() MapStatus { s := good(); s.Partitions = 3; return s }(),
		"no sketch":   func() MapStatus { s := good(); s.Partitions, s.Exact = MaxExact+1, make(Parts, MaxExact+1); return s }(),
		"map":         func() MapStatus { s := good(); s.Map = -1; return s }(),
		"bits":        func() MapStatus { s := many(); s.Sketch.Filled = s.Sketch.Filled[1:]; return s }(),
		"many":        {Partitions: MaxPartitions + 1, Sketch: &Sketch{}},
		"negative":    {Partitions: -1},
		"both absent": {Partitions: 1},
	} {
		if s.Check() == nil {
			t.Errorf("%s passes", name)
		}
	}
	for _, text := range []string{"?", "gICAgICAgICAgIA=", "AgE=", "AAA=", "////////////"} {
		var p Parts
		if p.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%s is taken for %v", text, p)
		}
	}
}

// A ledger tells when all partitions have been read equally often, and what they
// add up to then.
func TestLedger(t *testing.T) {
	var l Ledger
	for round := 1; round <= 3; round++ {
		for p := range 5 {
			sum, times, whole := l.Add(Read{Partition: (p + round) % 5, Sum: Sum{int64(p+round) % 5, 1 << 63}}, 5)
			if whole != (p == 4) {
				t.Fatalf("round %d, partition %d: whole %t", round, p, whole)
			}
			if want := (Sum{10, 1 << 63}); whole && (times != round || sum != want.Times(round)) {
				t.Fatalf("round %d: %v, %d times", round, sum, times)
			}
		}
	}
	for _, p := range []int{-1, 5} {
		if _, _, whole := l.Add(Read{Partition: p}, 5); whole {
			t.Errorf("partition %d is one of 5", p)
		}
	}
}

// What is expected is known in the epoch that was asked for alone.
func TestExpected(t *testing.T) {
	tr := NewTracker()
	tr.Register(1, 2, NewMapStatus(0, 0, true, []Part{{Sum{1, 10}, 1}, {Sum{2, 20}, 1}}))
	tr.Register(1, 2, NewMapStatus(1, 0, true, []Part{{Sum{5, 50}, 1}, {}}))
	for p, want := range map[int]Sum{0: {6, 60}, 1: {2, 20}, All: {8, 80}} {
		sum, n, exact, known := tr.Expected(1, Read{Exchange: 2, Partition: p, Epoch: 1})
		if sum != want || n != 2 || !exact || !known {
			t.Errorf("partition %d: %v of %d, exact %t, known %t", p, sum, n, exact, known)
		}
	}
	tr.Unregister(1, 2, 1)
	if _, _, _, known := tr.Expected(1, Read{Exchange: 2, Epoch: 1}); known {
		t.Error("an older epoch is known")
	}
	if _, _, _, known := tr.Expected(9, Read{Exchange: 2}); known {
		t.Error("another job is known")
	}
	tr.Register(1, 3, NewMapStatus(0, 0, true, parts(rand.New(rand.NewPCG(1, 1)), 3000)))
	filled := 0
	for _, m := range []int{0} {
		_, out := tr.Outputs(1, 3)
		for p := range 3000 {
			if out[m].Has(p) {
				filled = p
			}
		}
	}
	if _, _, exact, known := tr.Expected(1, Read{Exchange: 3, Partition: filled, Epoch: 1}); exact || !known {
		t.Error("a sketch is exact")
	}
}

// FuzzStatus: a status that passes Check can be asked anything.
func FuzzStatus(f *testing.F) {
	for _, n := range []int{0, 3, MaxExact + 1} {
		b, err := json.Marshal(NewMapStatus(1, 0, true, parts(rand.New(rand.NewPCG(1, 1)), n)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s MapStatus
		if json.Unmarshal(data, &s) != nil || s.Check() != nil {
			return
		}
		for p := All; p <= s.Partitions; p++ {
			s.Bytes(p)
			if sum, told := s.Sum(p); told && p >= 0 && s.Has(p) != (sum.Rows > 0) {
				t.Fatalf("partition %d: %v, has %t", p, sum, s.Has(p))
			}
		}
	})
}
