package service

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/transport"
)

// version is of the messages; both sides must have the same.
const version = 3

// Bounds of what a request may say.
const (
	maxBlocks = 1 << 16 // of one request; who wants more asks again
	maxID     = 1<<31 - 1
	maxCodecs = 8
)

// request asks for blocks of one exchange, one after the other, the first from a
// row on, about Max bytes of them as they lie in memory.
//
//	version, urgency, nonce, job, exchange, max, row, n codecs (length, name)…,
//	n blocks (map − the last one's, zigzag; attempt; partition − the last one's, zigzag)…
type request struct {
	Urgency       transport.Urgency
	Nonce         uint32 // which all chunks of the answer carry
	Job, Exchange int
	Max, Row      int64
	Codecs        []string // that the reader understands, the best first
	Blocks        []block
}

// block is a block's map task, its attempt, and the partition.
type block struct{ Map, Attempt, Partition int }

func (r *request) id(i int) cache.BlockID {
	b := r.Blocks[i]
	return cache.BlockID{Job: r.Job, Exchange: r.Exchange, Map: b.Map, Attempt: b.Attempt, Partition: b.Partition}
}

func (r *request) encode() []byte {
	b := make([]byte, 0, 64+4*len(r.Blocks))
	for _, v := range []uint64{version, uint64(r.Urgency), uint64(r.Nonce), uint64(r.Job), uint64(r.Exchange), uint64(r.Max), uint64(r.Row), uint64(len(r.Codecs))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, c := range r.Codecs {
		b = append(binary.AppendUvarint(b, uint64(len(c))), c...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Blocks)))
	last := block{}
	for _, x := range r.Blocks {
		b = binary.AppendUvarint(b, zigzag(x.Map-last.Map))
		b = binary.AppendUvarint(b, uint64(x.Attempt))
		b = binary.AppendUvarint(b, zigzag(x.Partition-last.Partition))
		last = x
	}
	return b
}

func zigzag(v int) uint64 { return uint64(v<<1) ^ uint64(v>>63) }
func zagzig(v uint64) int { return int(v>>1) ^ -int(v&1) }
func (b block) valid() bool {
	return b.Map >= 0 && b.Map <= maxID && b.Partition >= 0 && b.Partition <= maxID
}

// parseRequest is the reverse of encode. It takes no more memory than a small
// multiple of its input.
func parseRequest(b []byte) (*request, error) {
	d := numbers{b: b}
	if d.next(version) != version {
		d.bad = true
	}
	r := &request{Urgency: transport.Urgency(d.next(255)), Nonce: uint32(d.next(1<<32 - 1)), Job: int(d.next(maxID)), Exchange: int(d.next(maxID)), Max: int64(d.next(1 << 40)), Row: int64(d.next(1 << 56))}
	for n := d.next(maxCodecs); n > 0 && !d.bad; n-- {
		r.Codecs = append(r.Codecs, d.text(maxName))
	}
	n := d.next(maxBlocks)
	r.Blocks = make([]block, 0, min(n, uint64(len(d.b))/3))
	last := block{}
	for ; n > 0 && !d.bad; n-- {
		last = block{last.Map + zagzig(d.next(1<<33)), int(d.next(maxID)), last.Partition + zagzig(d.next(1<<33))}
		d.bad = d.bad || !last.valid()
		r.Blocks = append(r.Blocks, last)
	}
	if len(r.Blocks) == 0 || !r.Urgency.Valid() {
		d.bad = true
	}
	return r, d.end("a request")
}

// diagnose asks where a chunk was damaged that arrived with this checksum (xxh64
// of the bytes behind its head): rows of a block from Row on, by a codec.
type diagnose struct {
	ID    cache.BlockID
	Row   int64
	Codec string
	Sum   uint64
}

func (q *diagnose) encode() []byte {
	b := binary.AppendUvarint(nil, version)
	for _, v := range []int{q.ID.Job, q.ID.Exchange, q.ID.Map, q.ID.Attempt, q.ID.Partition, int(q.Row), len(q.Codec)} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return binary.AppendUvarint(append(b, q.Codec...), q.Sum)
}

func parseDiagnose(b []byte) (*diagnose, error) {
	d := numbers{b: b}
	if d.next(version) != version {
		d.bad = true
	}
	q := &diagnose{ID: cache.BlockID{Job: int(d.next(maxID)), Exchange: int(d.next(maxID)), Map: int(d.next(maxID)), Attempt: int(d.next(maxID)), Partition: int(d.next(maxID))},
		Row: int64(d.next(1 << 56)), Codec: d.text(maxName), Sum: d.next(1<<64 - 1)}
	return q, d.end("a diagnose")
}
