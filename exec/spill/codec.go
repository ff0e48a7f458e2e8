package spill

import (
	"sync"
	"time"

	"github.com/millrace-engine/millrace/columnar/chunk"
)

// breakEven decides whether compressing pays on a device: when the time that
// LZ4 takes is less than the time that the bytes it saves would take to be
// written and read back. Both are measured all the time, since a device is as
// fast as memory until its cache is full.
type breakEven struct {
	mu     sync.Mutex
	chunks int
	write  mean    // ns per stored byte
	encode [2]mean // ns per raw byte, by codec
	ratio  [2]mean // stored bytes per raw byte, by codec
	best   chunk.Codec
}

// trials is how many chunks are written either way before a decision, and how
// often the codec not chosen is tried again.
const (
	firstTrials = 4
	retryAfter  = 32
)

// decodeShare is what LZ4 takes to decode relative to encoding.
const decodeShare = 0.3

// mean is a moving average.
type mean struct {
	v   float64
	set bool
}

func (m *mean) add(x float64) {
	if !m.set {
		m.v, m.set = x, true
		return
	}
	m.v += (x - m.v) / 8
}

// choose returns the codec of the next chunk.
func (b *breakEven) choose() chunk.Codec {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chunks++
	switch {
	case b.chunks <= firstTrials:
		return chunk.Codec(b.chunks & 1)
	case b.chunks%retryAfter == 0:
		return 1 - b.best
	}
	return b.best
}

// observe takes in what a chunk took.
func (b *breakEven) observe(c chunk.Codec, raw, stored int64, encoding, writing time.Duration) {
	if raw <= 0 || stored <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.encode[c].add(float64(encoding) / float64(raw))
	b.ratio[c].add(float64(stored) / float64(raw))
	b.write.add(float64(writing) / float64(stored))
	extra := (b.encode[chunk.LZ4].v - b.encode[chunk.Raw].v) * (1 + decodeShare)
	saved := (b.ratio[chunk.Raw].v - b.ratio[chunk.LZ4].v) * 2 * b.write.v
	b.best = chunk.Raw
	if extra < saved {
		b.best = chunk.LZ4
	}
}
