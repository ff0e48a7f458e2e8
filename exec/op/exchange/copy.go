package exchange

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

// Copy puts a map output that somebody else holds into a store, under the ids that it
// has there: all of its blocks, or none. Rows are checked against the map status as
// when they are read; what is fetched and not in the store yet is charged to r.
func Copy(ctx context.Context, from Holder, job, exch int, m *shuffle.MapStatus, schema *columnar.Schema, to *cache.Store, level cache.Level, r memory.Reservation) error {
	id := cache.BlockID{Job: job, Exchange: exch, Map: m.Map, Attempt: m.Attempt}
	c := checked{}
	for p := range m.Partitions {
		if m.Has(p) {
			id.Partition = p
			c.ids, c.wants = append(c.ids, id), append(c.wants, wanted(m, p))
		}
	}
	c.it = from.Read(ctx, c.ids, schema, r)
	defer c.it.Close()
	w := to.NewWriter(id, m.Partitions, level)
	defer w.Abort()
	account := (&Reader{}).begin(exch, 0, []stage.Part{{To: m.Partitions}}, 1)
	for {
		b, err := c.next(ctx, account)
		if errors.Is(err, io.EOF) {
			return w.Commit()
		}
		if err != nil {
			return err
		}
		own, err := kernel.Detach(b, nil)
		if err != nil {
			return err
		}
		if err := w.Append(ctx, c.ids[c.at].Partition, own, own.DataBytes()); err != nil {
			return err
		}
	}
}
