package window

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// rank numbers rows within their partitions.
func (r *run) rank(c *physical.WindowCall) columnar.Vector {
	out := make([]int32, r.n)
	peer := 0
	for p := 0; p+1 < len(r.starts); p++ {
		from, to := r.starts[p], r.starts[p+1]
		switch c.Fn {
		case "row_number":
			for i := from; i < to; i++ {
				out[i] = i - from + 1
			}
		case "ntile":
			tiles, _ := number(c.Args, 0, 1)
			share(out[from:to], tiles)
		default:
			for dense := int32(1); peer+1 < len(r.peers) && r.peers[peer] < to; dense++ {
				rank := r.peers[peer] - from + 1
				if c.Fn == "dense_rank" {
					rank = dense
				}
				for i := r.peers[peer]; i < r.peers[peer+1]; i++ {
					out[i] = rank
				}
				peer++
			}
		}
	}
	return columnar.Vector{Type: columnar.Int32Type, Width: 4, Len: r.n, Data: columnar.BytesOf(out)}
}

// share deals rows into tiles, the first ones one row longer where they are not
// equal.
func share(out []int32, tiles int64) {
	for i := range out {
		out[i] = int32(tile(int64(i), int64(len(out)), tiles))
	}
}

// tile returns the tile of row i of n.
func tile(i, n, tiles int64) int64 {
	size, longer := n/tiles, n%tiles
	if cut := longer * (size + 1); i >= cut {
		return longer + (i-cut)/size + 1
	}
	return i/(size+1) + 1
}

// share is percent_rank and cume_dist.
func (r *run) share(c *physical.WindowCall) columnar.Vector {
	out := make([]float64, r.n)
	peer := 0
	for p := 0; p+1 < len(r.starts); p++ {
		from, to := r.starts[p], r.starts[p+1]
		for ; peer+1 < len(r.peers) && r.peers[peer] < to; peer++ {
			x := float64(r.peers[peer+1]-from) / float64(to-from)
			if c.Fn == "percent_rank" {
				if x = 0; to-from > 1 {
					x = float64(r.peers[peer]-from) / float64(to-from-1)
				}
			}
			for i := r.peers[peer]; i < r.peers[peer+1]; i++ {
				out[i] = x
			}
		}
	}
	return columnar.Vector{Type: columnar.Float64Type, Width: 8, Len: r.n, Data: columnar.BytesOf(out)}
}

// neighbour is lag and lead: the value some rows away in the partition, counting
// rows that are not null alone where nulls are passed over.
func (r *run) neighbour(c *physical.WindowCall) columnar.Vector {
	v := r.argument(c.Args[0])
	away, null := number(c.Args, 1, 1)
	rows := make([]uint32, r.n)
	missing := make([]bool, r.n) // there is no such row
	if c.Fn == "lag" {
		away = -away
	}
	var before []int32
	var full []uint32
	if c.IgnoreNulls {
		before, full = r.counted(c, c.Args[:1])
	}
	for p := 0; p+1 < len(r.starts); p++ {
		from, to := int64(r.starts[p]), int64(r.starts[p+1])
		for i := from; i < to; i++ {
			at := i + away
			if before != nil && away != 0 {
				k := int64(before[i]) + away
				if away > 0 && before[i+1] == before[i] { // the row itself does not count
					k--
				}
				at = -1
				if k >= 0 && k < int64(len(full)) {
					at = int64(full[k])
				}
			}
			switch {
			case null:
				rows[i] = kernel.NullRow
			case at < from || at >= to:
				rows[i], missing[i] = kernel.NullRow, true
			default:
				rows[i] = uint32(at)
			}
		}
	}
	out := kernel.TakeNull(v, rows, nil)
	if len(c.Args) < 3 {
		return out
	}
	// The default is the row's own: take it where the neighbour is missing.
	return choose(&out, r.argument(c.Args[2]), missing)
}

// choose returns a's rows, and b's where there is a mark.
func choose(a, b *columnar.Vector, marks []bool) columnar.Vector {
	both := kernel.NewAppender([]columnar.Type{a.Type}, nil)
	rows := make([]uint32, len(marks))
	for i, m := range marks {
		rows[i] = uint32(i)
		if m {
			rows[i] += uint32(len(marks))
		}
	}
	for _, v := range []*columnar.Vector{a, b} {
		for from := 0; from < len(marks); from += columnar.MaxRows { // an appender takes batches
			n := min(columnar.MaxRows, len(marks)-from)
			part := &columnar.Batch{Rows: n, Cols: []columnar.Vector{kernel.Slice(v, from, n, nil)}}
			if both.Append(part) != nil { // strings beyond 2 GiB: both halves were less
				return *a
			}
		}
	}
	all := both.Take(columnar.NewSchema(columnar.Field{Type: a.Type}))
	return kernel.Take(&all.Cols[0], rows, nil)
}

// pick is the value of a row of the frame: the first, the last, the n-th that
// counts.
func (r *run) pick(c *physical.WindowCall, f *frame) columnar.Vector {
	v := r.argument(c.Args[0])
	n, _ := number(c.Args, 1, 1)
	var values []expr.Expr
	if c.IgnoreNulls {
		values = c.Args[:1]
	}
	before, full := r.counted(c, values)
	rows := make([]uint32, r.n)
	for i := range rows {
		lo, hi := int64(f.lo[i]), int64(f.hi[i])
		if before != nil {
			lo, hi = int64(before[lo]), int64(before[hi])
		}
		at := lo + n - 1
		if c.Fn == "last" {
			at = hi - 1
		}
		switch {
		case at < lo || at >= hi:
			rows[i] = kernel.NullRow
		case before != nil:
			rows[i] = full[at]
		default:
			rows[i] = uint32(at)
		}
	}
	return kernel.TakeNull(v, rows, nil)
}
