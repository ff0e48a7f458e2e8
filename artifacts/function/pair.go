package function

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

// Pair is a key with a value.
type Pair[K, V any] struct {
	Key   K
	Value V
}

func (Pair[K, V]) isPair() {}

// pair is implemented by Pair alone.
type pair interface{ isPair() }

// Joined are two values of one key; pointers are nil where a side has none.
type Joined[V, W any] struct {
	Left  V
	Right W
}

// pairCoder writes the length of the key first, so that who knows neither type can
// take a pair apart.
func pairCoder(c *coder, t reflect.Type, seen map[reflect.Type]*coder) error {
	key, err := coderOf(t.Field(0).Type, seen)
	if err != nil {
		return err
	}
	value, err := coderOf(t.Field(1).Type, seen)
	if err != nil {
		return err
	}
	at := t.Field(1).Offset
	c.least = 1 + key.least + value.least
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		return value.put(putKey(b, key.put(nil, p)), unsafe.Add(p, at))
	}
	c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		k, v, err := cutPair(b)
		if err != nil {
			return nil, err
		}
		rest, err := key.get(k, p)
		if err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			return nil, short()
		}
		return value.get(v, unsafe.Add(p, at))
	}
	return nil
}

func putKey(b, key []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(key))), key...) }

// cutPair takes an encoded pair apart.
func cutPair(b []byte) (key, value []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, short()
	}
	return b[k : k+int(n)], b[k+int(n):], nil
}
