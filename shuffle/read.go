package shuffle

// All stands for all partitions of an exchange.
const All = -1

// Read is what a task read of an exchange, up to the end: a partition and More that
// follow it, or All, of the outputs of the map tasks Maps, ascending, nil standing for
// all of them, in the state that the exchange had in an epoch.
type Read struct {
	Exchange, Partition int
	More                int   `json:",omitempty"`
	Maps                []int `json:",omitempty"`
	Epoch               uint64
	Sum
}

// Ledger adds up what the tasks of a stage read of one exchange in one epoch,
// where the outputs do not tell what each partition holds.
type Ledger struct {
	times []uint16 // by partition: how often it was read
	once  int      // partitions that were read as often as most
	most  uint16
	sum   Sum
}

// Add adds partitions that were read of all outputs. It returns true when every
// partition has been read equally often, with the sum that each of these times should
// have.
func (l *Ledger) Add(r Read, partitions int) (sum Sum, times int, whole bool) {
	if l.times == nil {
		l.times = make([]uint16, partitions)
	}
	if r.Partition < 0 || r.More < 0 || r.Partition >= len(l.times)-r.More {
		return Sum{}, 0, false
	}
	for p := r.Partition; p <= r.Partition+r.More; p++ {
		l.times[p]++
		switch n := l.times[p]; {
		case n > l.most:
			l.most, l.once = n, 1
		case n == l.most:
			l.once++
		}
	}
	l.sum = l.sum.Plus(r.Sum)
	return l.sum, int(l.most), l.once == len(l.times)
}

// Times returns a sum times n.
func (s Sum) Times(n int) Sum { return Sum{s.Rows * int64(n), s.Hash * uint64(n)} }
