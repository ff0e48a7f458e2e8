package service

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/transport"
)

// Codec turns batches into what is sent and back. Implementations are safe for
// concurrent use.
type Codec interface {
	// Name is how the sides tell codecs apart: 1 to 32 bytes. Both sides of a name
	// must be the same code.
	Name() string
	// Append encodes the rows of a batch that count, behind what dst holds.
	Append(dst []byte, b *columnar.Batch) ([]byte, error)
	// Decode is the reverse. The batch's memory is its own; data is not kept. It
	// never panics, and takes no more memory than data can plausibly stand for. Its
	// failures wrap chunk.ErrCorrupt: damage must not go unnoticed.
	Decode(data []byte, schema *columnar.Schema) (*columnar.Batch, error)
}

// maxName bounds the name of a codec.
const maxName = 32

// The codecs of every executor: columnar/chunk, with and without LZ4.
var (
	Raw Codec = chunks{"raw", chunk.Raw}
	LZ4 Codec = chunks{"lz4", chunk.LZ4}
)

type chunks struct {
	name  string
	codec chunk.Codec
}

func (c chunks) Name() string { return c.name }

func (c chunks) Append(dst []byte, b *columnar.Batch) ([]byte, error) {
	return chunk.Append(dst, b, c.codec)
}

func (c chunks) Decode(data []byte, schema *columnar.Schema) (*columnar.Batch, error) {
	return chunk.Decode(data, schema)
}

// codecs finds a codec by its name: the user's, if there is one, and ours.
func codecs(user Codec) map[string]Codec {
	out := map[string]Codec{Raw.Name(): Raw, LZ4.Name(): LZ4}
	if user != nil {
		out[user.Name()] = user
	}
	return out
}

// mapped stands, among the codecs of a request, for rows that are not encoded at
// all: the reader maps the memory of the holder, whose file it is passed.
const mapped = "mapped"

// preferred lists the codecs that a client asks a peer for, the best first:
// compressing pays between hosts only.
func preferred(user Codec, at transport.Addr) []string {
	if user != nil {
		return []string{user.Name(), Raw.Name()}
	}
	switch scheme, _ := at.Split(); scheme {
	case "local", "inproc":
		return []string{Raw.Name(), mapped}
	}
	return []string{LZ4.Name(), Raw.Name()}
}
