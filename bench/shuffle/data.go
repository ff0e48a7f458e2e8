package shuffle

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// batches is how many are made, and worked on if nobody says otherwise.
const batches = 64

// scale is of the lineitem that they come from.
const scale = 0.1

var errEnough = errors.New("enough")

// lineitem returns n batches of some of its columns, whose vectors are flat. They
// are made once for each list.
func lineitem(n int, columns ...string) ([]*columnar.Batch, error) {
	made.Lock()
	defer made.Unlock()
	key := ""
	for _, c := range columns {
		key += c + " "
	}
	if b, ok := made.lists[key]; ok {
		return b[:min(n, len(b))], nil
	}
	var out []*columnar.Batch
	err := dbgen.Generate(context.Background(), "lineitem", scale, 0, 1, func(b *columnar.Batch) error {
		x := &columnar.Batch{Schema: &columnar.Schema{}, Rows: b.Rows}
		for i, f := range b.Schema.Fields {
			for _, c := range columns {
				if c == f.Name {
					x.Schema.Fields = append(x.Schema.Fields, f)
					x.Cols = append(x.Cols, kernel.Flatten(&b.Cols[i], nil))
				}
			}
		}
		d, err := kernel.Detach(x, nil)
		if err != nil {
			return err
		}
		if out = append(out, d); len(out) == batches {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	made.lists[key] = out
	return out[:min(n, len(out))], nil
}

var made = struct {
	sync.Mutex
	lists map[string][]*columnar.Batch
}{lists: map[string][]*columnar.Batch{}}

// fixed are eight columns of fixed width, texts two strings of about 30 bytes
// besides; whole is all of lineitem.
func fixed(o *Options) ([]*columnar.Batch, error) {
	return lineitem(o.Batches, "l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount", "l_tax", "l_shipdate")
}

func texts(o *Options) ([]*columnar.Batch, error) {
	return lineitem(o.Batches, "l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_shipdate", "l_comment", "l_shipinstruct")
}

func whole(o *Options) ([]*columnar.Batch, error) {
	var names []string
	for _, t := range dbgen.Tables() {
		if t.Name == "lineitem" {
			for _, f := range t.Schema.Fields {
				names = append(names, f.Name)
			}
		}
	}
	return lineitem(o.Batches, names...)
}

// flat is what rows take as flat vectors.
func flat(list []*columnar.Batch) (n int64) {
	for _, b := range list {
		n += b.MemoryBytes()
	}
	return n
}

// noise returns bytes that nobody can compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewPCG(1, 2)
	for i := 0; i+8 <= n; i += 8 {
		v := r.Uint64()
		for k := range 8 {
			b[i+k] = byte(v >> (8 * k))
		}
	}
	return b
}
