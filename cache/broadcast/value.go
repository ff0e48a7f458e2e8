package broadcast

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
)

// PieceBytes is the size of all pieces but the last.
const PieceBytes = 1 << 20

// MaxBytes bounds a value.
const MaxBytes = 1 << 30

// Ref names a value: the Number-th of a job, from 1 on, and what it must hash to.
type Ref struct {
	Job, Number int
	Size        int64
	Hash        [32]byte
}

// NewRef names the value of some bytes.
func NewRef(job, number int, value []byte) Ref {
	return Ref{Job: job, Number: number, Size: int64(len(value)), Hash: sha256.Sum256(value)}
}

// Check refuses a name that cannot be.
func (r Ref) Check() error {
	if r.Number < 1 || r.Size < 0 || r.Size > MaxBytes {
		return fmt.Errorf("broadcast: value %d of %d bytes", r.Number, r.Size)
	}
	return nil
}

// Pieces returns the number of pieces.
func (r Ref) Pieces() int { return int((r.Size + PieceBytes - 1) / PieceBytes) }

// Piece returns the part of the value that a piece is.
func (r Ref) Piece(value []byte, piece int) []byte {
	at := int64(piece) * PieceBytes
	return value[at:min(at+PieceBytes, r.Size)]
}

// Block names a piece as a block of those who serve it. Exchanges are numbered from
// 1 on, so it is none of theirs.
func (r Ref) Block(piece int) cache.BlockID {
	return cache.BlockID{Job: r.Job, Map: piece, Attempt: r.Number}
}

// Schema is that of a piece's block: one row.
var Schema = columnar.NewSchema(columnar.Field{Name: "piece", Type: columnar.BinaryType})

// Rows is where the blocks of pieces are read from.
type Rows interface {
	Next(ctx context.Context) (*columnar.Batch, error)
	Close() error
}

// Guide tells which piece to get next, and from whom. got says what became of the
// one before: true at first.
type Guide interface {
	Next(ctx context.Context, got bool) (Step, error)
}

// Step is what to do next: get a piece from a peer, take the bytes that the origin
// sent, or nothing any more.
type Step struct {
	Piece int
	From  string // a peer; "": Data
	Data  []byte
	Done  bool
}

// ErrDamaged tells that a value is not the one that was named.
var ErrDamaged = errors.New("broadcast: the value is damaged")

// Get gets a value. Each piece is kept in the store, by reference, and so are what
// this process serves to others. read reads a block of a peer.
func Get(ctx context.Context, r Ref, store *cache.Store, g Guide, read func(ctx context.Context, from string, id cache.BlockID) Rows) (_ []byte, err error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			Drop(store, r)
		}
	}()
	value := make([]byte, r.Size)
	for got := true; ; {
		s, err := g.Next(ctx, got)
		if err != nil {
			return nil, err
		}
		if s.Done {
			break
		}
		if s.Piece < 0 || s.Piece >= r.Pieces() {
			return nil, fmt.Errorf("broadcast: there is no piece %d of %d", s.Piece, r.Pieces())
		}
		to := r.Piece(value, s.Piece)
		data := s.Data
		if s.From != "" {
			data, err = one(ctx, read(ctx, s.From, r.Block(s.Piece)))
		}
		if got = err == nil && len(data) == len(to); !got {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue // the guide knows others
		}
		copy(to, data)
		if err := hold(ctx, store, r, s.Piece, to); err != nil {
			return nil, err
		}
	}
	if sha256.Sum256(value) != r.Hash {
		return nil, fmt.Errorf("%w: number %d of job %d", ErrDamaged, r.Number, r.Job)
	}
	return value, nil
}

// one reads the only row of a piece's block. It is valid until the next call.
func one(ctx context.Context, rows Rows) ([]byte, error) {
	defer rows.Close()
	b, err := rows.Next(ctx)
	if err != nil {
		return nil, err
	}
	if b.Selected() != 1 || len(b.Cols) != 1 {
		return nil, fmt.Errorf("broadcast: a piece of %d rows", b.Selected())
	}
	data := append([]byte{}, b.Cols[0].BytesAt(b.RowAt(0))...)
	if _, err := rows.Next(ctx); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("broadcast: a piece of several rows"), err)
	}
	return data, nil
}

// hold makes a piece a block, which refers to its bytes.
func hold(ctx context.Context, store *cache.Store, r Ref, piece int, data []byte) error {
	v := columnar.Vector{Type: columnar.BinaryType, Len: 1, Data: columnar.BytesOf([]int32{0, int32(len(data))}), Bytes: data}
	w := store.NewWriter(r.Block(piece), 1, cache.MemoryOnly)
	if err := w.Append(ctx, 0, &columnar.Batch{Schema: Schema, Rows: 1, Cols: []columnar.Vector{v}}, int64(len(data))); err != nil {
		w.Abort()
		return err
	}
	return w.Commit()
}

// Drop gives the pieces of a value up.
func Drop(store *cache.Store, r Ref) {
	for p := range r.Pieces() {
		store.Drop(r.Block(p))
	}
}
