package cache_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
)

// largest is a policy of a user: the block leaves first that takes most memory.
type largest struct{ bytes map[cache.BlockID]int64 }

func (l largest) Added(b cache.Candidate)  { l.bytes[b.ID] = b.Bytes }
func (l largest) Read(cache.BlockID)       {}
func (l largest) Removed(id cache.BlockID) { delete(l.bytes, id) }
func (l largest) Victims(yield func(cache.BlockID) bool) {
	named := map[cache.BlockID]bool{}
	for range l.bytes {
		best, most := cache.BlockID{}, int64(-1)
		for id, n := range l.bytes {
			if n > most && !named[id] {
				best, most = id, n
			}
		}
		named[best] = true
		if !yield(best) {
			return
		}
	}
}

// keep writes a partition of a dataset of one column and 8-byte values.
func keep(t *testing.T, s *cache.Store, dataset, partition, priority, rows int, level cache.Level) error {
	t.Helper()
	w := s.NewWriter(cache.ColumnID(dataset, partition, 0, 0), 1, level)
	w.Priority = priority
	defer w.Abort()
	for at := 0; at < rows; at += 8000 {
		n := min(rows-at, 8000)
		if err := w.Append(t.Context(), 0, ints(int64(partition+at), n), int64(8*n)); err != nil {
			return err
		}
	}
	return w.Commit()
}

// kept lists which partitions of a dataset are there.
func kept(s *cache.Store, dataset, partitions int) (out []int) {
	for p := range partitions {
		if s.Has(cache.ColumnID(dataset, p, 0, 0)) {
			out = append(out, p)
		}
	}
	return out
}

func readOnce(t *testing.T, s *cache.Store, dataset, partition int) bool {
	p, ok := s.Get(cache.ColumnID(dataset, partition, 0, 0))
	if ok {
		read(t, p, int64(partition))
		p.Close()
	}
	return ok
}

// A user's policy says what leaves.
func TestUsersPolicy(t *testing.T) {
	s := cache.NewStoreWith(memory.NewBroker(64<<20), "blocks", nil, func() cache.Policy { return largest{map[cache.BlockID]int64{}} })
	defer s.Close()
	for p, rows := range []int{8000, 800000, 80000} {
		if err := keep(t, s, 1, p, 0, rows, cache.MemoryOnly); err != nil {
			t.Fatal(err)
		}
	}
	s.Reclaim(t.Context(), 1)
	if got := kept(s, 1, 3); len(got) != 2 || got[0] != 0 || got[1] != 2 {
		t.Errorf("the largest was to leave, there are %v", got)
	}
}

// Blocks of a lower priority leave first, whatever a policy thinks of them.
func TestPriority(t *testing.T) {
	for name, policy := range cache.Policies {
		s := cache.NewStoreWith(memory.NewBroker(64<<20), "blocks", nil, policy)
		for p := range 6 {
			if err := keep(t, s, 1+p%3, p, []int{0, 5, -1}[p%3], 80000, cache.MemoryOnly); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			readOnce(t, s, 3, 2)
			readOnce(t, s, 3, 5)
		}
		for _, want := range []int{3, 1, 2} {
			all := s.Len()
			s.Reclaim(t.Context(), 2*8*80000)
			if n := len(kept(s, want, 6)); n != 0 || s.Len() != all-2 {
				t.Errorf("%s: dataset %d has %d blocks; %d of all are left, %d before", name, want, n, s.Len(), all)
			}
		}
		s.Close()
	}
}

// What comes does not take the place of its own dataset, nor of one that has a higher
// priority; it does of others.
func TestMakeRoom(t *testing.T) {
	for name, policy := range cache.Policies {
		s := cache.NewStoreWith(memory.NewBroker(8<<20), "blocks", nil, policy)
		full := 0
		for ; keep(t, s, 1, full, 1, 64000, cache.MemoryOnly) == nil; full++ {
		}
		if n := len(kept(s, 1, 100)); n != full || full < 10 {
			t.Errorf("%s: %d blocks were kept, %d are there", name, full, n)
		}
		if keep(t, s, 2, 0, 0, 64000, cache.MemoryOnly) == nil || len(kept(s, 1, 100)) != full {
			t.Errorf("%s: a lower priority took the place of a higher one", name)
		}
		if err := keep(t, s, 3, 0, 1, 64000, cache.MemoryOnly); err != nil || len(kept(s, 1, 100)) >= full {
			t.Errorf("%s: another dataset found no room: %v, %d of %d blocks", name, err, len(kept(s, 1, 100)), full)
		}
		s.Close()
	}
}

// What a store holds of a dataset is counted where it goes: when it leaves memory, comes
// back, is dropped while somebody reads it, or ends.
func TestUsages(t *testing.T) {
	space := spill.NewSpace(t.TempDir())
	defer space.Close()
	s := cache.NewStore(memory.NewBroker(64<<20), "blocks", disk{space})
	defer s.Close()
	sets := cache.NewDatasets(s)
	step := func(what string, memory, evicted int64, onDisk bool) {
		t.Helper()
		for _, u := range s.Usages() {
			if u.Dataset == 1 && (u.Memory != memory || u.Evicted != evicted || u.Disk > 0 != onDisk || u.Disk < 0) {
				t.Errorf("%s: %+v", what, u)
			}
		}
	}
	const block = 8 * 8000
	for p := range 3 {
		if err := keep(t, s, 1, p, 0, 8000, cache.MemoryAndDisk); err != nil {
			t.Fatal(err)
		}
	}
	step("written", 3*block, 0, false)
	if err := keep(t, s, 1, 2, 0, 8000, cache.MemoryAndDisk); err != nil {
		t.Fatal(err)
	}
	step("written twice", 3*block, 0, false)
	s.Reclaim(t.Context(), 3*block)
	step("evicted", 0, 3, true)
	if ok, err := s.Load(t.Context(), cache.ColumnID(1, 0, 0, 0)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	step("loaded", block, 3, true)
	if err := keep(t, s, 2, 0, 0, 8000, cache.MemoryOnly); err != nil {
		t.Fatal(err)
	}
	pin, _ := s.Get(cache.ColumnID(1, 0, 0, 0))
	sets.End(1)
	step("ended, and still read", block, 3, true)
	pin.Close()
	s.Reclaim(t.Context(), block)
	u := s.Usages()
	if u[len(u)-1] != (cache.Usage{Dataset: 2, Evicted: 1}) {
		t.Errorf("dropped from memory: %+v", u)
	}
	if u[0].Dataset == 1 && (u[0].Memory != 0 || u[0].Disk != 0) {
		t.Errorf("gone: %+v", u)
	}
}

// A partition that found no room is tried more and more rarely, and anew when a dataset
// has ended.
func TestRefused(t *testing.T) {
	s := cache.NewStore(memory.NewBroker(64<<20), "blocks", nil)
	defer s.Close()
	sets := cache.NewDatasets(s)
	waits := func() (n int) {
		for !sets.Room(1, 3) {
			n++
		}
		return n
	}
	var got []int
	for range 7 {
		sets.Refused(1, 3, 5<<20)
		got = append(got, waits())
	}
	if want := []int{2, 4, 8, 16, 32, 32, 32}; !slices.Equal(got, want) || !sets.Room(1, 4) {
		t.Errorf("tries are apart by %v, not %v", got, want)
	}
	sets.Refused(1, 3, 5<<20)
	sets.End(2)
	if n := waits(); n != 0 {
		t.Errorf("it is not tried %d times after another dataset has ended", n)
	}
}

// What is being written gives way in the background to what is read again and again: its
// writer is asked for its memory, and gives it with the next batch, or gives up.
func TestWriterGivesWay(t *testing.T) {
	for name, policy := range cache.Policies {
		for _, level := range []cache.Level{cache.MemoryAndDisk, cache.MemoryOnly} {
			space := spill.NewSpace(t.TempDir())
			s := cache.NewStoreWith(memory.NewBroker(64<<20), "blocks", disk{space}, policy)
			hot := cache.ColumnID(1, 0, 0, 0)
			if err := keep(t, s, 1, 0, 1, 64000, cache.MemoryAndDisk); err != nil {
				t.Fatal(err)
			}
			w := s.NewWriter(cache.ColumnID(2, 0, 0, 0), 1, level)
			rows := 0
			for ; rows < 1<<20; rows += 8000 {
				if err := w.Append(t.Context(), 0, ints(int64(rows), 8000), 64000); err != nil {
					t.Fatal(err)
				}
			}
			before := s.Bytes()
			if freed := s.Relieve(t.Context(), 4<<20); freed != 0 || !s.InMemory(hot) {
				t.Errorf("%s: %d bytes were taken from a block that is worth more: %v", name, freed, !s.InMemory(hot))
			}
			err := w.Append(t.Context(), 0, ints(int64(rows), 8000), 64000)
			if level == cache.MemoryOnly {
				if err == nil {
					t.Errorf("%s: what must stay in memory goes on to grow", name)
				}
				w.Abort()
			} else if err != nil || s.Bytes() > before-8<<20 || w.Commit() != nil {
				t.Errorf("%s: of %d bytes %d are left: %v", name, before, s.Bytes(), err)
			} else if p, ok := s.Get(cache.ColumnID(2, 0, 0, 0)); !ok || read(t, p, 0) != rows+8000 {
				t.Errorf("%s: rows are lost", name)
			} else {
				p.Close()
			}
			if !s.InMemory(hot) {
				t.Errorf("%s: the block that is worth more has left", name)
			}
			s.Close()
			if err := space.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A dataset of ten times the memory that is written and read once leaves those that
// are read again and again.
func TestScanResistance(t *testing.T) {
	broker, space := memory.NewBroker(16<<20), spill.NewSpace(t.TempDir())
	s := cache.NewStore(broker, "blocks", disk{space})
	const hot = 8
	inMemory := func() (n int) {
		for p := range hot {
			if s.InMemory(cache.ColumnID(1, p, 0, 0)) {
				n++
			}
		}
		return n
	}
	for p := range hot {
		if err := keep(t, s, 1, p, 0, 64000, cache.MemoryAndDisk); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for p := range hot {
			readOnce(t, s, 1, p)
		}
	}
	hits, reads := 0, 0
	for p := range 10 * 32 {
		if err := keep(t, s, 2, p, 0, 64000, cache.MemoryAndDisk); err != nil {
			t.Fatal(err)
		}
		if q, ok := s.Get(cache.ColumnID(2, p, 0, 0)); !ok || read(t, q, int64(p)) != 64000 {
			t.Fatalf("partition %d is lost", p)
		} else {
			q.Close()
		}
		if p%40 == 39 {
			hits, reads = hits+inMemory(), reads+hot
			for p := range hot {
				readOnce(t, s, 1, p)
			}
		}
	}
	if hits*10 < reads*9 {
		t.Errorf("%d of %d blocks of the hot dataset were in memory", hits, reads)
	}
	s.Close()
	if err := space.Close(); err != nil || broker.Reserved() != 0 {
		t.Errorf("%v; %d bytes are reserved", err, broker.Reserved())
	}
}

// By cost, what was quick to make leaves first, unless it is read much more often.
func TestCost(t *testing.T) {
	c := cache.NewCost()
	id := func(p int) cache.BlockID { return cache.ColumnID(1, p, 0, 0) }
	for p, d := range []time.Duration{time.Second, time.Millisecond, 100 * time.Millisecond} {
		c.Added(cache.Candidate{ID: id(p), Bytes: 1 << 20, Cost: d})
	}
	c.Added(cache.Candidate{ID: id(3), Bytes: 1 << 20, Cost: 2 * time.Second, Kept: true})
	order := func() (out []int) {
		c.Victims(func(b cache.BlockID) bool { out = append(out, b.Map); return true })
		return out
	}
	if got := order(); got[0] != 1 || got[1] != 2 || got[2] != 3 || got[3] != 0 {
		t.Errorf("order %v", got)
	}
	for range 200 {
		c.Read(id(1))
	}
	if got := order(); got[0] != 2 {
		t.Errorf("order %v after many reads", got)
	}
	c.Removed(id(2))
	if got := order(); len(got) != 3 {
		t.Errorf("order %v after one left", got)
	}
}

// What came back from disk leaves again without being written, and is the same.
func TestLoad(t *testing.T) {
	broker, space := memory.NewBroker(32<<20), spill.NewSpace(t.TempDir())
	s := cache.NewStore(broker, "blocks", disk{space})
	id := cache.ColumnID(1, 7, 0, 0)
	if err := keep(t, s, 1, 7, 0, 7000, cache.MemoryAndDisk); err != nil {
		t.Fatal(err)
	}
	s.Reclaim(t.Context(), 1<<30)
	written := s.Spilled()
	for range 3 {
		if s.InMemory(id) || written == 0 {
			t.Fatal("the block did not leave memory")
		}
		before, _ := s.Get(id)
		if ok, err := s.Load(t.Context(), id); !ok || err != nil || !s.InMemory(id) || s.Bytes() == 0 {
			t.Fatalf("%v %v, %d bytes", ok, err, s.Bytes())
		}
		if again, err := s.Load(t.Context(), id); again || err != nil {
			t.Error("it was loaded twice", err)
		}
		after, _ := s.Get(id)
		if read(t, before, 7) != 7000 || read(t, after, 7) != 7000 {
			t.Error("it came back changed")
		}
		before.Close()
		after.Close()
		if s.Reclaim(t.Context(), 1<<30) == 0 || s.Spilled() != written {
			t.Errorf("%d bytes written, %d before", s.Spilled(), written)
		}
	}
	task, err := broker.Start(t.Context(), "task", 32<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Load(t.Context(), id); ok || err != nil {
		t.Errorf("%v %v where there is no room", ok, err)
	}
	task.Close()
	s.Close()
	if err := space.Close(); err != nil || broker.Reserved() != 0 {
		t.Errorf("%v; %d bytes are reserved", err, broker.Reserved())
	}
}
