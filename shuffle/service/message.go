package service

import (
	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/transport/message"
)

// version is of the messages; both sides must have the same.
const version = 1

// maxMessage bounds a message: a chunk with a single wide row, or a request.
const maxMessage = 96 << 20

const (
	kindFetch message.Kind = iota + 1
	kindChunk              // block u32, then what columnar/chunk encodes
	kindEnd
	kindGone
)

// maxBlocks bounds the blocks of one fetch.
const maxBlocks = 1 << 20

// fetch asks for blocks of one exchange. Skip is how many rows of the first one
// the reader has already.
type fetch struct {
	Version       int
	Job, Exchange int
	Blocks        []block
	Skip          int64
}

// block is a block's map task, its attempt, and the partition.
type block [3]int

func (f *fetch) id(i int) cache.BlockID {
	b := f.Blocks[i]
	return cache.BlockID{Job: f.Job, Exchange: f.Exchange, Map: b[0], Attempt: b[1], Partition: b[2]}
}

// gone ends a fetch whose blocks from At on include some that are not there.
type gone struct{ Maps []int }
