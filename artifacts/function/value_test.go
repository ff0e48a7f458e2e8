package function

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

type tree struct {
	Name  string
	Left  *tree
	Kids  []tree
	By    map[string]int8
	Pair  [2]float64
	At    time.Time
	Raw   []byte
	On    bool
	Small uint16
}

// What is encoded comes back; equal values have equal bytes; every cut is refused.
func TestValue(t *testing.T) {
	v, err := ValueOf[tree]()
	if err != nil {
		t.Fatal(err)
	}
	x := tree{Name: "a", Left: &tree{Name: "b", At: time.UnixMicro(0).UTC()}, Kids: []tree{{On: true, At: time.UnixMicro(5).UTC()}}, By: map[string]int8{"x": -1, "y": 2, "z": 3},
		Pair: [2]float64{1.5, math.Inf(1)}, At: time.UnixMicro(123456).UTC(), Raw: []byte{0, 1}, Small: 65535}
	b := v.Append(nil, x)
	got, err := v.Decode(b)
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("got %+v, %v", got, err)
	}
	for range 20 {
		if !bytes.Equal(b, v.Append(nil, x)) {
			t.Fatal("the same value has other bytes")
		}
	}
	for n := range b {
		if _, err := v.Decode(b[:n]); !errors.Is(err, ErrValue) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := v.Decode(append(b, 0)); !errors.Is(err, ErrValue) {
		t.Errorf("a byte too many: %v", err)
	}
	if a, b := mustValue[float64](t), math.Copysign(0, -1); !bytes.Equal(a.Append(nil, 0), a.Append(nil, b)) {
		t.Error("-0 is another value than 0")
	}
}

func mustValue[T any](t *testing.T) Value[T] {
	v, err := ValueOf[T]()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Types that hold what cannot travel are refused when they are looked at.
func TestValueRefused(t *testing.T) {
	refused := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("not refused")
		}
	}
	_, err := ValueOf[any]()
	refused(err)
	_, err = ValueOf[struct{ C chan int }]()
	refused(err)
	_, err = ValueOf[struct{ hidden int }]()
	refused(err)
	_, err = ValueOf[map[string]func()]()
	refused(err)
}

// FuzzValue: any bytes are refused or are a value, without a panic and without more
// memory than they justify.
func FuzzValue(f *testing.F) {
	v, err := ValueOf[tree]()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v.Append(nil, tree{Name: "a", Left: &tree{}, Kids: []tree{{}}, By: map[string]int8{"x": 1}}))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := v.Decode(b); err == nil {
			if _, err := v.Decode(v.Append(nil, x)); err != nil {
				t.Error(err)
			}
		}
	})
}
