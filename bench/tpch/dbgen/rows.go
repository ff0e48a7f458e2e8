package dbgen

// Days since 1970-01-01 of the specification's STARTDATE and CURRENTDATE.
const (
	startDay   = 8035 // 1992-01-01
	currentDay = 9298 // 1995-06-17

	orderDays      = 2557 - 151 // orders are placed on this many days, so that all is received by 1998
	maxShipDays    = 121        // from order to shipment
	maxReceiptDays = 30         // from shipment to receipt

	maxLines      = 7 // of an order
	lineCountSeed = 1434868289
)

func region(r *rows, _ float64, from, to int64) error {
	c := newComment(1500869201, 72, 1)
	c.skipRows(from)
	for i := from; i < to; i++ {
		r.int(0, i)
		r.str(1, []byte(regions[i]))
		r.str(2, c.draw())
		c.endRow()
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

func nationTable(r *rows, _ float64, from, to int64) error {
	c := newComment(606179079, 72, 1)
	c.skipRows(from)
	for i := from; i < to; i++ {
		r.int(0, i)
		r.str(1, []byte(nations[i].name))
		r.int(2, nations[i].region)
		r.str(3, c.draw())
		c.endRow()
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

// skipAll moves several streams past whole rows.
func skipAll(n int64, ss ...*stream) {
	for _, s := range ss {
		s.skipRows(n)
	}
}

// endAll ends the row of several streams.
func endAll(ss ...*stream) {
	for _, s := range ss {
		s.endRow()
	}
}

func supplier(r *rows, sf float64, from, to int64) error {
	addr, nat, tel, bal := newStream(706178559, 9), newStream(110356601, 1), newStream(884434366, 3), newStream(962338209, 1)
	com := newComment(1341315363, 63, 1)
	bbb, junk, offset, kind := newStream(202794285, 1), newStream(263032577, 1), newStream(715851524, 1), newStream(753643799, 1)
	streams := []*stream{&addr, &nat, &tel, &bal, &com.stream, &bbb, &junk, &offset, &kind}
	skipAll(from, streams...)
	for i := from; i < to; i++ {
		r.int(0, i+1)
		r.cols[1].bytes = digits(append(r.cols[1].bytes, "Supplier#"...), i+1, 9)
		r.end(1)
		r.cols[2].bytes = address(r.cols[2].bytes, &addr)
		r.end(2)
		n := int64(nat.between(0, 24))
		r.int(3, n)
		r.cols[4].bytes = phone(r.cols[4].bytes, &tel, n)
		r.end(4)
		r.int(5, int64(bal.between(-99999, 999999)))
		c := com.draw()
		if bbb.between(1, 10000) <= 10 { // a few praise or complain
			c = append([]byte{}, c...)
			noise := junk.between(0, int32(len(c))-19)
			at := offset.between(0, int32(len(c))-(19+noise))
			word := "Recommends"
			if kind.between(0, 100) < 50 {
				word = "Complaints"
			}
			copy(c[at:], "Customer ")
			copy(c[at+9+noise:], word)
		}
		r.str(6, c)
		endAll(streams...)
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

func customer(r *rows, sf float64, from, to int64) error {
	addr, nat, tel, bal, seg := newStream(881155353, 9), newStream(1489529863, 1), newStream(1521138112, 3), newStream(298370230, 1), newStream(1140279430, 1)
	com := newComment(1335826707, 73, 1)
	streams := []*stream{&addr, &nat, &tel, &bal, &seg, &com.stream}
	skipAll(from, streams...)
	for i := from; i < to; i++ {
		r.int(0, i+1)
		r.cols[1].bytes = digits(append(r.cols[1].bytes, "Customer#"...), i+1, 9)
		r.end(1)
		r.cols[2].bytes = address(r.cols[2].bytes, &addr)
		r.end(2)
		n := int64(nat.between(0, 24))
		r.int(3, n)
		r.cols[4].bytes = phone(r.cols[4].bytes, &tel, n)
		r.end(4)
		r.int(5, int64(bal.between(-99999, 999999)))
		r.int(6, int64(segments.index(&seg)))
		r.str(7, com.draw())
		endAll(streams...)
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

// price returns the retail price of a part in hundredths.
func price(part int64) int64 { return 90000 + part/10%20001 + part%1000*100 }

func partTable(r *rows, sf float64, from, to int64) error {
	name, mfgr, brand, typ, size, box := newStream(709314158, 92), newStream(1, 1), newStream(46831694, 1), newStream(1841581359, 1), newStream(1193163244, 1), newStream(727633698, 1)
	com := newComment(804159733, 14, 1)
	streams := []*stream{&name, &mfgr, &brand, &typ, &size, &box, &com.stream}
	skipAll(from, streams...)
	words := make([]string, len(colors))
	for i := from; i < to; i++ {
		r.int(0, i+1)
		copy(words, colors)
		for k := range int32(5) {
			j := name.between(k, int32(len(words)-1))
			words[k], words[j] = words[j], words[k]
			if k > 0 {
				r.cols[1].bytes = append(r.cols[1].bytes, ' ')
			}
			r.cols[1].bytes = append(r.cols[1].bytes, words[k]...)
		}
		r.end(1)
		m := int64(mfgr.between(1, 5))
		b := int64(brand.between(1, 5))
		r.int(2, m-1)
		r.int(3, (m-1)*5+b-1)
		r.int(4, int64(partTypes.index(&typ)))
		r.int(5, int64(size.between(1, 50)))
		r.int(6, int64(containers.index(&box)))
		r.int(7, price(i+1))
		r.str(8, com.draw())
		endAll(streams...)
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

// supplierOf returns the k-th of the four suppliers of a part.
func supplierOf(part, k int64, sf float64) int64 {
	n := Units("supplier", sf)
	return (part+k*(n/4+(part-1)/n))%n + 1
}

func partsupp(r *rows, sf float64, from, to int64) error {
	qty, cost := newStream(1671059989, 4), newStream(1051288424, 4)
	com := newComment(1961692154, 124, 4)
	streams := []*stream{&qty, &cost, &com.stream}
	skipAll(from, streams...)
	for i := from; i < to; i++ {
		for k := range int64(4) {
			r.int(0, i+1)
			r.int(1, supplierOf(i+1, k, sf))
			r.int(2, int64(qty.between(1, 9999)))
			r.int(3, int64(cost.between(100, 100000)))
			r.str(4, com.draw())
			if err := r.row(); err != nil {
				return err
			}
		}
		endAll(streams...)
	}
	return nil
}

// lines are the streams that decide about the lines of orders.
type lines struct {
	date, count, qty, discount, tax, part, ship stream
	parts                                       int32
}

func newLines(sf float64) *lines {
	return &lines{newStream(1066728069, 1), newStream(lineCountSeed, 1), newStream(209208115, 7), newStream(554590007, 7), newStream(721958466, 7),
		newStream(1808217256, 7), newStream(1769349045, 7), int32(Units("part", sf))}
}

func (l *lines) streams() []*stream {
	return []*stream{&l.date, &l.count, &l.qty, &l.discount, &l.tax, &l.part, &l.ship}
}

// line is what both orders and lineitem know of a line.
type line struct {
	part, qty, price, discount, tax int64
	ship                            int32
}

// order draws the day and the number of lines of the next order.
func (l *lines) order() (day, count int32) {
	return startDay + l.date.between(0, orderDays-1), l.count.between(1, maxLines)
}

// next draws the next line of an order of that day.
func (l *lines) next(day int32) (x line) {
	x.qty, x.discount, x.tax = int64(l.qty.between(1, 50)), int64(l.discount.between(0, 10)), int64(l.tax.between(0, 8))
	x.part = int64(l.part.between(1, l.parts))
	x.price = price(x.part) * x.qty
	x.ship = day + l.ship.between(1, maxShipDays)
	return x
}

// orderKey returns the key of the i-th order: 8 of every 32 keys are in use.
func orderKey(i int64) int64 { return i>>3<<5 | i&7 }

func orders(r *rows, sf float64, from, to int64) error {
	l := newLines(sf)
	cust, prio, clerk := newStream(851767375, 1), newStream(591449447, 1), newStream(1171034773, 1)
	com := newComment(276090261, 49, 1)
	streams := append(l.streams(), &cust, &prio, &clerk, &com.stream)
	skipAll(from, streams...)
	customers, clerks := Units("customer", sf), max(scaled(1000, sf), 1000)
	for i := from; i < to; i++ {
		day, n := l.order()
		total, shipped := int64(0), int32(0)
		for range n {
			x := l.next(day)
			total += x.price * (100 - x.discount) / 100 * (100 + x.tax) / 100
			if x.ship <= currentDay {
				shipped++
			}
		}
		c := int64(cust.between(1, int32(customers)))
		for delta := int64(1); c%3 == 0; delta = -delta { // a third of the customers never order
			c = min(c+delta, customers)
		}
		r.int(0, orderKey(i+1))
		r.int(1, c)
		status := int64(2)
		switch shipped {
		case n:
			status = 0
		case 0:
			status = 1
		}
		r.int(2, status)
		r.int(3, total)
		r.int(4, int64(day))
		r.int(5, int64(priorities.index(&prio)))
		r.cols[6].bytes = digits(append(r.cols[6].bytes, "Clerk#"...), int64(clerk.between(1, int32(clerks))), 9)
		r.end(6)
		r.int(7, 0)
		r.str(8, com.draw())
		endAll(streams...)
		if err := r.row(); err != nil {
			return err
		}
	}
	return nil
}

func lineitem(r *rows, sf float64, from, to int64) error {
	l := newLines(sf)
	sup, commit, receipt := newStream(2095021727, 7), newStream(904914315, 7), newStream(373135028, 7)
	flag, instr, mode := newStream(717419739, 7), newStream(1371272478, 7), newStream(675466456, 7)
	com := newComment(1095462486, 27, 7)
	streams := append(l.streams(), &sup, &commit, &receipt, &flag, &instr, &mode, &com.stream)
	skipAll(from, streams...)
	for i := from; i < to; i++ {
		day, n := l.order()
		for k := range n {
			x := l.next(day)
			committed := day + commit.between(30, 90)
			received := x.ship + receipt.between(1, maxReceiptDays)
			r.int(0, orderKey(i+1))
			r.int(1, x.part)
			r.int(2, supplierOf(x.part, int64(sup.between(0, 3)), sf))
			r.int(3, int64(k+1))
			r.int(4, x.qty*100)
			r.int(5, x.price)
			r.int(6, x.discount)
			r.int(7, x.tax)
			f, s := int64(2), int64(0) // not returned, open
			if received <= currentDay {
				f = int64(returnFlags.index(&flag))
			}
			if x.ship <= currentDay {
				s = 1
			}
			r.int(8, f)
			r.int(9, s)
			r.int(10, int64(x.ship))
			r.int(11, int64(committed))
			r.int(12, int64(received))
			r.int(13, int64(instructions.index(&instr)))
			r.int(14, int64(modes.index(&mode)))
			r.str(15, com.draw())
			if err := r.row(); err != nil {
				return err
			}
		}
		endAll(streams...)
	}
	return nil
}
