package chunk

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

// numbers makes a column of n numbers from low on, up to span above it.
func numbers[T int32 | int64](r *rand.Rand, t columnar.Type, n int, low T, span uint64) columnar.Vector {
	x := make([]T, n)
	for i := range x {
		x[i] = low
		if span > 0 {
			x[i] += T(r.Uint64N(span) + uint64(i&1)) // span is reached
		}
	}
	return columnar.Vector{Type: t, Width: uint8(t.FixedWidth()), Len: n, Data: columnar.BytesOf(x)}
}

// Numbers come back whatever their range, from the least number there is to the
// largest; those that lie close together take the bytes of their distance at most.
func TestNarrow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	schema := columnar.NewSchema(columnar.Field{Name: "a", Type: columnar.Int64Type}, columnar.Field{Name: "b", Type: columnar.DateType})
	for _, span := range []uint64{0, 1, 5, 31, 255, 256, 2500, 65535, 65536, 1 << 23, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, math.MaxUint64} {
		for _, low := range []int64{0, -1, math.MinInt64, 1 << 40} {
			n := 64 + r.IntN(columnar.MaxRows-64)
			b := &columnar.Batch{Schema: schema, Rows: n, Cols: []columnar.Vector{
				numbers(r, columnar.Int64Type, n, low, span),
				numbers(r, columnar.DateType, n, max(math.MinInt32, int32(low)), min(span, math.MaxUint32)),
			}}
			data, err := Append(nil, b, LZ4)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(data, schema)
			if err != nil {
				t.Fatalf("seed %d: span %d: %v", seed, span, err)
			}
			for c := range b.Cols {
				if !bytes.Equal(got.Cols[c].Data, b.Cols[c].Data) {
					t.Fatalf("seed %d: column %d of span %d from %d on came back changed", seed, c, span, low)
				}
			}
			for width, s := range map[int]uint64{8: 255, 5: 31, 12: 2500} {
				if most := n*width/4 + n/4 + 200; span == s && len(data) > most {
					t.Errorf("seed %d: %d rows of span %d take %d bytes", seed, n, span, len(data))
				}
			}
		}
	}
}

// Distances that do not fit their values are refused.
func TestWidenDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	mixed := make([]int64, 100)
	for i := range mixed {
		mixed[i] = r.Int64N(1000)
	}
	for _, x := range [][]int64{make([]int64, 100), mixed} {
		good, ok := appendNarrow(nil, buffer{raw: columnar.BytesOf(x), width: 8})
		if !ok {
			t.Fatal("numbers are not narrowed")
		}
		damage(t, good)
	}
}

func damage(t *testing.T, good []byte) {
	for _, at := range []int{0, 1, 2} {
		for x := range 256 {
			bad := bytes.Clone(good)
			if bad[at] = byte(x); bytes.Equal(bad, good) {
				continue
			}
			if err := widen(make([]byte, 800), bad); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("byte %d as %d: %v", at, x, err)
			}
		}
	}
	for _, n := range []int{0, 799, 801, 808} {
		if err := widen(make([]byte, n), good); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d bytes of 800: %v", n, err)
		}
	}
}
