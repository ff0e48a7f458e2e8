package message_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/millrace-engine/millrace/transport/message"
)

type pipe struct {
	io.Reader
	io.Writer
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	c := message.New(pipe{&b, &b}, 3<<20)
	big := bytes.Repeat([]byte("x"), 3<<20)
	if err := errors.Join(c.Send(1, map[string]int{"a": 7}), c.Write(2), c.Write(3, big[:1<<20], big[1<<20:])); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(4, big, []byte{1}); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("wrote a message over the bound: %v", err)
	}
	k, body, err := c.Read()
	if v, derr := message.Decode[map[string]int](body); err != nil || derr != nil || k != 1 || v["a"] != 7 {
		t.Errorf("got %d %q %v %v", k, body, err, derr)
	}
	if k, body, err := c.Read(); err != nil || k != 2 || len(body) != 0 {
		t.Errorf("got %d %q %v", k, body, err)
	}
	if k, body, err := c.Read(); err != nil || k != 3 || !bytes.Equal(body, big) {
		t.Errorf("got %d, %d bytes, %v", k, len(body), err)
	}
	if _, _, err := c.Read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := message.Decode[int]([]byte("x")); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("decoded %v", err)
	}
}

// F1: a long promise costs nothing, and a message cut short is no message.
func TestMalformed(t *testing.T) {
	promise := append(binary.LittleEndian.AppendUint32(nil, 1<<31), 1)
	if _, _, err := message.New(pipe{bytes.NewReader(promise), nil}, 1<<20).Read(); !errors.Is(err, message.ErrMalformed) {
		t.Error(err)
	}
	promise = append(binary.LittleEndian.AppendUint32(nil, 1<<30), 1, 2, 3)
	if n := testing.AllocsPerRun(1, func() {
		if _, _, err := message.New(pipe{bytes.NewReader(promise), nil}, 1<<30).Read(); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
	}); n > 20 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 1, '{', '}', 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := message.New(pipe{bytes.NewReader(b), nil}, 1<<16)
		for at := 0; ; {
			k, body, err := c.Read()
			if err != nil {
				return
			}
			if at += 5; byte(k) != b[at-1] || !bytes.Equal(body, b[at:at+len(body)]) {
				t.Fatal("another message than was written")
			}
			at += len(body)
		}
	})
}
