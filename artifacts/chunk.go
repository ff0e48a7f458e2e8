package artifacts

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Sizes of chunks in bytes. Where they end follows from the content (FastCDC, Xia et
// al., USENIX ATC 2016, without its normalization): the same bytes make the same
// chunks wherever they stand in a file.
const (
	minChunk  = 64 << 10
	MaxChunk  = 1 << 20
	cutMask   = (1<<17 - 1) << 47 // a cut every 128 KiB on average, after the least
	maxChunks = 1 << 20
)

// Chunk is a piece of an artifact.
type Chunk struct {
	Hash ID
	Size int
}

// Manifest lists the chunks of an artifact in order.
type Manifest struct {
	Size   int64
	Chunks []Chunk
	// Bases are artifacts that the server has and this one may be a version of; they
	// are added as it is sent.
	Bases []ID `json:",omitempty"`
}

// errManifest is wrapped by what check finds.
var errManifest = errors.New("artifacts: malformed list of chunks")

// check refuses a manifest whose sizes are not possible, or not those of an artifact
// of size bytes.
func (m *Manifest) check(size int64) error {
	if len(m.Chunks) > maxChunks {
		return fmt.Errorf("%w: %d chunks", errManifest, len(m.Chunks))
	}
	if len(m.Bases) > maxBases {
		return fmt.Errorf("%w: %d bases", errManifest, len(m.Bases))
	}
	sum := int64(0)
	for _, c := range m.Chunks {
		if c.Size < 1 || c.Size > MaxChunk {
			return fmt.Errorf("%w: a chunk of %d bytes", errManifest, c.Size)
		}
		sum += int64(c.Size)
	}
	if sum != m.Size || m.Size != size {
		return fmt.Errorf("%w: chunks of %d bytes for %d", errManifest, sum, size)
	}
	return nil
}

// gear are the random numbers of the rolling hash; they decide where chunks end and
// never change.
var gear = func() (g [256]uint64) {
	x := uint64(0x6d696c6c72616365)
	for i := range g { // splitmix64
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		g[i] = z ^ z>>31
	}
	return g
}()

// cut returns the length of the chunk that b begins with; b is a whole chunk's
// worth, or all that is left.
func cut(b []byte) int {
	n := min(len(b), MaxChunk)
	if n <= minChunk {
		return n
	}
	h := uint64(0)
	for i := minChunk - 64; i < n; i++ {
		h = h<<1 + gear[b[i]]
		if h&cutMask == 0 && i >= minChunk {
			return i + 1
		}
	}
	return n
}

// split reads r to its end: the manifest and the hash of the whole. Each chunk is
// given to each, which may not keep it.
func split(r io.Reader, each func([]byte) error) (m Manifest, id ID, err error) {
	in := bufio.NewReaderSize(r, MaxChunk)
	whole := sha256.New()
	for {
		b, err := in.Peek(MaxChunk)
		if err != nil && !errors.Is(err, io.EOF) {
			return m, id, err
		}
		if len(b) == 0 {
			whole.Sum(id[:0])
			return m, id, nil
		}
		b = b[:cut(b)]
		m.Chunks = append(m.Chunks, Chunk{sha256.Sum256(b), len(b)})
		m.Size += int64(len(b))
		if len(m.Chunks) > maxChunks {
			return m, id, fmt.Errorf("%w: more than %d chunks", errManifest, maxChunks)
		}
		whole.Write(b)
		if err := each(b); err != nil {
			return m, id, err
		}
		if _, err := in.Discard(len(b)); err != nil {
			return m, id, err
		}
	}
}
