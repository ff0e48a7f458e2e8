package wire

import "github.com/millrace-engine/millrace/plan/stage"

// TaskDescription is one attempt of one task: what an executor needs besides
// the stage.
type TaskDescription struct {
	Job, Stage, StageAttempt, Task, Attempt int
	Tasks                                   int // tasks of the stage
	StageHash                               [32]byte
	Leaves                                  []LeafAssignment
	Epochs                                  []ShuffleEpoch
	MinMemory                               int64
	Prefer                                  []string
}

// LeafAssignment is one split of a leaf or one part of an exchange. A leaf may have
// several.
type LeafAssignment struct {
	Leaf  int
	Split []byte // nil for parts
	Part  stage.Part
	// Holders are of a partition of a dataset, the part's first: executors that may have
	// its rows, and the attempt that each has.
	Holders  []string
	Attempts []int
	// Hosts are where the split is read best; they are the driver's and do not travel.
	Hosts []string
}

// ShuffleEpoch says which state of an exchange's outputs the task was planned on.
type ShuffleEpoch struct {
	Exchange int
	Epoch    uint64
}

// EncodeTask encodes a task.
func EncodeTask(t *TaskDescription) ([]byte, error) {
	var e encoder
	e.uint(1, Version)
	for i, v := range []int{t.Job, t.Stage, t.StageAttempt, t.Task, t.Attempt, t.Tasks} {
		e.int(2+i, int64(v))
	}
	e.bytes(8, t.StageHash[:])
	for _, l := range t.Leaves {
		e.message(9, func(e *encoder) {
			e.int(1, int64(l.Leaf))
			if l.Split != nil {
				e.bytes(2, l.Split)
				return
			}
			e.int(3, int64(l.Part.From))
			e.int(6, int64(max(0, l.Part.To-l.Part.From-1)))
			if l.Part.Maps != nil {
				e.message(5, func(e *encoder) { e.ints(1, l.Part.Maps) })
			}
			for _, h := range l.Holders {
				e.bytes(4, []byte(h))
			}
			if len(l.Holders) > 0 {
				e.ints(7, l.Attempts)
			}
		})
	}
	for _, x := range t.Epochs {
		e.message(10, func(e *encoder) {
			e.int(1, int64(x.Exchange))
			e.uint(2, x.Epoch)
		})
	}
	e.int(11, t.MinMemory)
	for _, p := range t.Prefer {
		e.bytes(12, []byte(p))
	}
	if len(e.b) > MaxTaskBytes {
		return nil, malformed("a task of %d bytes; the limit is %d", len(e.b), MaxTaskBytes)
	}
	return e.b, nil
}

// DecodeTask decodes what EncodeTask made.
func DecodeTask(b []byte) (*TaskDescription, error) {
	if len(b) > MaxTaskBytes {
		return nil, malformed("a task of %d bytes; the limit is %d", len(b), MaxTaskBytes)
	}
	t, version, hashed := &TaskDescription{}, uint64(0), false
	ints := []*int{&t.Job, &t.Stage, &t.StageAttempt, &t.Task, &t.Attempt, &t.Tasks}
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			version = f.value
		case 2, 3, 4, 5, 6, 7:
			if *ints[f.num-2] = f.int(); f.int() < 0 {
				return malformed("negative number in field %d", f.num)
			}
		case 8:
			if len(f.data) != len(t.StageHash) {
				return malformed("stage hash of %d bytes", len(f.data))
			}
			copy(t.StageHash[:], f.data)
			hashed = true
		case 9:
			l, err := leafAssignment(f.data)
			t.Leaves = append(t.Leaves, l)
			return err
		case 10:
			var x ShuffleEpoch
			err := fields(f.data, func(f field) error {
				if f.num == 1 {
					x.Exchange = f.int()
				} else {
					x.Epoch = f.value
				}
				return nil
			})
			t.Epochs = append(t.Epochs, x)
			return err
		case 11:
			t.MinMemory = f.int64()
		case 12:
			t.Prefer = append(t.Prefer, f.string())
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case version != Version:
		return nil, malformed("version %d; this executor speaks %d", version, Version)
	case !hashed:
		return nil, malformed("task without a stage")
	}
	return t, nil
}

func leafAssignment(b []byte) (l LeafAssignment, err error) {
	more := 0
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			l.Leaf = f.int()
		case 2:
			l.Split = append([]byte{}, f.data...)
		case 3:
			l.Part.From = f.int()
		case 4:
			l.Holders = append(l.Holders, f.string())
		case 6:
			more = f.int()
		case 7:
			l.Attempts, err = f.ints()
			if len(l.Attempts) == 0 {
				l.Attempts = nil
			}
		case 5:
			l.Part.Maps = []int{}
			err = fields(f.data, func(f field) (err error) {
				if f.num == 1 {
					l.Part.Maps, err = f.ints()
				}
				return err
			})
		}
		return err
	})
	switch {
	case err != nil:
		return l, err
	case l.Leaf < 0 || l.Part.From < 0 || l.Part.From > maxPartitions || more < 0 || more > maxPartitions:
		return l, malformed("assignment of a leaf")
	case len(l.Holders) != len(l.Attempts):
		return l, malformed("%d holders with %d attempts", len(l.Holders), len(l.Attempts))
	case l.Split != nil && (l.Part.From != 0 || more != 0 || l.Part.Maps != nil || len(l.Holders) > 0):
		return l, malformed("a leaf's split that is a part as well")
	case l.Split == nil:
		l.Part.To = l.Part.From + 1 + more
	}
	for i, m := range l.Part.Maps {
		if m < 0 || i > 0 && m <= l.Part.Maps[i-1] {
			return l, malformed("map tasks of an assignment")
		}
	}
	return l, nil
}
