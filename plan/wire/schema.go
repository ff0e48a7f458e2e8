package wire

import "github.com/millrace-engine/millrace/columnar"

func (e *encoder) typ(f int, t columnar.Type) {
	e.message(f, func(e *encoder) {
		e.uint(1, uint64(t.Kind))
		e.uint(2, uint64(t.Precision))
		e.uint(3, uint64(t.Scale))
		e.uint(4, uint64(t.From))
		e.uint(5, uint64(t.To))
		if t.Nested != nil {
			e.bool(6, true)
			for _, c := range t.Nested.Fields {
				e.column(7, c)
			}
		}
	})
}

func (e *encoder) column(f int, c columnar.Field) {
	e.message(f, func(e *encoder) {
		e.string(1, c.Name)
		e.typ(2, c.Type)
		e.bool(3, c.Nullable)
	})
}

func (e *encoder) schema(f int, s *columnar.Schema) {
	e.message(f, func(e *encoder) {
		for _, c := range s.Fields {
			e.column(1, c)
		}
	})
}

func (d *decoder) typ(b []byte) (t columnar.Type, err error) {
	if err = d.enter(); err != nil {
		return t, err
	}
	defer d.leave()
	err = fields(b, func(f field) error {
		switch f.num {
		case 1:
			if f.value > uint64(columnar.Variant) {
				return malformed("kind %d", f.value)
			}
			t.Kind = columnar.Kind(f.value)
		case 2:
			t.Precision = uint8(f.value)
		case 3:
			t.Scale = uint8(f.value)
		case 4:
			t.From = columnar.IntervalUnit(f.value)
		case 5:
			t.To = columnar.IntervalUnit(f.value)
		case 6:
			t.Nested = &columnar.Nested{}
		case 7:
			if t.Nested == nil {
				return malformed("child of a flat type")
			}
			c, err := d.column(f.data)
			t.Nested.Fields = append(t.Nested.Fields, c)
			return err
		}
		return nil
	})
	if err == nil && (t.Precision > columnar.MaxPrecision || t.Scale > t.Precision || t.From > columnar.Second || t.To > columnar.Second) {
		err = malformed("type parameters")
	}
	first, last := columnar.Day, columnar.Second
	if t.Kind == columnar.YearMonthInterval {
		first, last = columnar.Year, columnar.Month
	}
	if err == nil && (t.Kind == columnar.YearMonthInterval || t.Kind == columnar.DayTimeInterval) && (t.From < first || t.To < t.From || t.To > last) {
		err = malformed("fields of an interval")
	}
	if want := map[columnar.Kind]int{columnar.List: 1, columnar.Map: 2}; err == nil && t.IsNested() {
		if t.Nested == nil || want[t.Kind] != 0 && len(t.Nested.Fields) != want[t.Kind] {
			err = malformed("children of a nested type")
		}
	}
	return t, err
}

func (d *decoder) column(b []byte) (c columnar.Field, err error) {
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			c.Name = f.string()
		case 2:
			c.Type, err = d.typ(f.data)
		case 3:
			c.Nullable = f.bool()
		}
		return err
	})
	return c, err
}

func (d *decoder) schema(b []byte) (*columnar.Schema, error) {
	s := &columnar.Schema{}
	err := fields(b, func(f field) error {
		if f.num != 1 {
			return nil
		}
		c, err := d.column(f.data)
		s.Fields = append(s.Fields, c)
		return err
	})
	return s, err
}

// EncodeSchema encodes a schema alone; DecodeSchema reads it back.
func EncodeSchema(s *columnar.Schema) []byte {
	var e encoder
	e.schema(1, s)
	return e.b
}

// DecodeSchema reads what EncodeSchema wrote.
func DecodeSchema(b []byte) (s *columnar.Schema, err error) {
	if len(b) > MaxTaskBytes {
		return nil, malformed("a schema of %d bytes; the limit is %d", len(b), MaxTaskBytes)
	}
	var d decoder
	err = fields(b, func(f field) error {
		if f.num == 1 {
			s, err = d.schema(f.data)
		}
		return err
	})
	if err == nil && s == nil {
		err = malformed("no schema")
	}
	return s, err
}
