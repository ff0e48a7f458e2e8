package shuffle

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// MaxExact is up to how many partitions a MapStatus tells each exactly. Above it
// tells which have rows, and the size of the large ones.
const MaxExact = 2000

const (
	// MaxPartitions bounds the partitions of an exchange.
	MaxPartitions = 1 << 20
	// A partition is large with so many times the bytes of the average one that has
	// rows; at most maxLarge are listed.
	largeFactor = 4
	maxLarge    = 100
)

// Part is one partition of a map output.
type Part struct {
	Sum
	Bytes int64 // in memory, about
}

// MapStatus is the output of one map task of an exchange.
type MapStatus struct {
	Map        int    // task index of the writing stage
	Attempt    int    // attempt that wrote it
	Executor   string // where it lies
	Partitions int
	Hashed     bool // the sums have hashes
	Total      Part
	Exact      Parts   `json:",omitempty"` // by partition; nil above MaxExact partitions
	Sketch     *Sketch `json:",omitempty"` // instead of Exact
}

// Sketch is what is told of very many partitions.
type Sketch struct {
	Filled []byte  // a bit per partition, least significant first: it has rows
	Count  int     // of the bits that are set
	Large  []Large // by partition
}

// Large is a partition that is much larger than the average.
type Large struct {
	Partition int
	Bytes     int64
}

// NewMapStatus returns the status of an output with the given partitions, which
// it keeps.
func NewMapStatus(mapTask, attempt int, hashed bool, parts []Part) MapStatus {
	s := MapStatus{Map: mapTask, Attempt: attempt, Partitions: len(parts), Hashed: hashed}
	for i := range parts {
		s.Total.Sum = s.Total.Plus(parts[i].Sum)
		s.Total.Bytes += parts[i].Bytes
	}
	if len(parts) <= MaxExact {
		s.Exact = parts
		return s
	}
	k := &Sketch{Filled: make([]byte, (len(parts)+7)/8)}
	for i := range parts {
		if parts[i].Rows > 0 {
			k.Filled[i>>3] |= 1 << (i & 7)
			k.Count++
		}
	}
	least := int64(0)
	if k.Count > 0 {
		least = largeFactor * (s.Total.Bytes / int64(k.Count))
	}
	for i := range parts {
		if parts[i].Bytes > least {
			k.Large = append(k.Large, Large{i, parts[i].Bytes})
		}
	}
	slices.SortFunc(k.Large, func(a, b Large) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	k.Large = k.Large[:min(len(k.Large), maxLarge)]
	slices.SortFunc(k.Large, func(a, b Large) int { return a.Partition - b.Partition })
	s.Sketch = k
	return s
}

// Has reports whether a partition has rows. It is exact.
func (s *MapStatus) Has(p int) bool {
	switch {
	case p < 0 || p >= s.Partitions:
		return false
	case s.Sketch != nil:
		return s.Sketch.Filled[p>>3]>>(p&7)&1 != 0
	}
	return s.Exact[p].Rows > 0
}

// Bytes returns about the bytes of a partition in memory.
func (s *MapStatus) Bytes(p int) int64 {
	switch {
	case !s.Has(p):
		return 0
	case s.Sketch == nil:
		return s.Exact[p].Bytes
	}
	rest, n := s.Total.Bytes, int64(s.Sketch.Count)
	for _, l := range s.Sketch.Large {
		if l.Partition == p {
			return l.Bytes
		}
		rest, n = rest-l.Bytes, n-1
	}
	return rest / max(n, 1)
}

// Sum returns what the rows of a partition add up to, All standing for all; false
// where that is not told.
func (s *MapStatus) Sum(p int) (Sum, bool) {
	switch {
	case p == All:
		return s.Total.Sum, true
	case !s.Has(p):
		return Sum{}, true
	case s.Sketch != nil:
		return Sum{}, false
	}
	return s.Exact[p].Sum, true
}

var errStatus = errors.New("shuffle: malformed map status")

// Check reports whether a status that came from another process is consistent.
func (s *MapStatus) Check() error {
	switch {
	case s.Map < 0 || s.Attempt < 0 || s.Partitions < 0 || s.Partitions > MaxPartitions:
		return fmt.Errorf("%w: map %d.%d, %d partitions", errStatus, s.Map, s.Attempt, s.Partitions)
	case s.Partitions > MaxExact != (s.Sketch != nil):
		return fmt.Errorf("%w: a sketch of %d partitions: %t", errStatus, s.Partitions, s.Sketch != nil)
	case s.Sketch != nil:
		if len(s.Sketch.Filled) != (s.Partitions+7)/8 || len(s.Sketch.Large) > maxLarge {
			return fmt.Errorf("%w: %d bytes of bits, %d large partitions", errStatus, len(s.Sketch.Filled), len(s.Sketch.Large))
		}
		return nil
	case len(s.Exact) != s.Partitions:
		return fmt.Errorf("%w: %d of %d partitions", errStatus, len(s.Exact), s.Partitions)
	}
	sum := Sum{}
	for i := range s.Exact {
		sum = sum.Plus(s.Exact[i].Sum)
	}
	if sum != s.Total.Sum {
		return fmt.Errorf("%w: the partitions have %s, the total is %s", errStatus, sum, s.Total.Sum)
	}
	return nil
}

// Parts are the partitions of a map output. Their text is short: per partition
// rows and, if there are any, bytes and hash, in base64.
type Parts []Part

// MarshalText implements encoding.TextMarshaler.
func (p Parts) MarshalText() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(p)))
	for i := range p {
		b = binary.AppendUvarint(b, uint64(p[i].Rows))
		if p[i].Rows > 0 {
			b = binary.AppendUvarint(b, uint64(p[i].Bytes))
			b = binary.LittleEndian.AppendUint64(b, p[i].Hash)
		}
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Parts) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("%w: %w", errStatus, err)
	}
	bad := false
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	n := number()
	if n > MaxExact {
		return fmt.Errorf("%w: %d partitions", errStatus, n)
	}
	out := make(Parts, n)
	for i := range out {
		x := &out[i]
		if x.Rows = int64(number()); x.Rows == 0 || bad {
			continue
		}
		if x.Bytes = int64(number()); bad || len(b) < 8 || x.Rows < 0 || x.Bytes < 0 {
			return fmt.Errorf("%w: it is cut", errStatus)
		}
		x.Hash = binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	if bad || len(b) > 0 {
		return fmt.Errorf("%w: %d bytes are left", errStatus, len(b))
	}
	*p = out
	return nil
}
