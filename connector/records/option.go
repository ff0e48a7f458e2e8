package records

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Mode says what becomes of malformed records.
type Mode uint8

// Permissive reads what can be read and leaves nulls; DropMalformed leaves such
// records out; FailFast fails.
const (
	Permissive Mode = iota
	DropMalformed
	FailFast
)

// CorruptRecord is the default name of the column for malformed records.
const CorruptRecord = "_corrupt_record"

// Option is an option's name, its value and the format that it belongs to, for
// the readers of values below.
type Option struct{ Format, Key, Value string }

// Wrong is the error for a value that an option does not take.
func (o Option) Wrong(needs string) error {
	return diag.New(diag.InvalidArgument, "the %s option %s needs %s, not %q", o.Format, o.Key, needs, o.Value)
}

// Mode reads a mode.
func (o Option) Mode() (Mode, error) {
	switch strings.ToUpper(o.Value) {
	case "PERMISSIVE":
		return Permissive, nil
	case "DROPMALFORMED":
		return DropMalformed, nil
	case "FAILFAST":
		return FailFast, nil
	}
	return 0, diag.New(diag.InvalidArgument, "there is no %s mode %q", o.Format, o.Value).WithRemedy("use PERMISSIVE, DROPMALFORMED or FAILFAST")
}

// Flag reads true or false.
func (o Option) Flag() (bool, error) {
	b, err := text.ParseBool(o.Value)
	if err != nil {
		return false, o.Wrong("true or false")
	}
	return b, nil
}

// Only reads a flag that can have one value.
func (o Option) Only(value bool) error {
	on, err := o.Flag()
	if err == nil && on != value {
		err = diag.New(diag.Unsupported, "the %s option %s = %t is not supported", o.Format, o.Key, on)
	}
	return err
}

// Char reads one ASCII character, or none as 0.
func (o Option) Char() (byte, error) {
	switch v := o.Value; {
	case v == "" || v == `\0` || v == "\x00":
		return 0, nil
	case v == `\t`:
		return '\t', nil
	case len(v) > 1 && v != `\\` || v[0] >= 0x80 || v == "\n" || v == "\r":
		return 0, o.Wrong("one ASCII character")
	}
	return o.Value[0], nil
}

// LineEnd reads the character that ends lines, 0 for \n, \r\n and \r.
func (o Option) LineEnd() (byte, error) {
	switch o.Value {
	case "\n", "\r\n", "\r", `\n`, `\r\n`, `\r`:
		return 0, nil
	}
	return o.Char()
}

// Encoding checks that an encoding is UTF-8 or a part of it.
func (o Option) Encoding() error {
	switch strings.ToUpper(o.Value) {
	case "UTF-8", "UTF8", "US-ASCII":
		return nil
	}
	return diag.New(diag.Unsupported, "the %s encoding %s is not supported", o.Format, o.Value).
		WithRemedy("convert the file to UTF-8, as by iconv -f %s -t UTF-8", o.Value)
}

// Pattern checks a datetime pattern.
func (o Option) Pattern() (string, error) {
	if _, err := text.ParsePattern(o.Value); err != nil {
		return "", diag.New(diag.InvalidArgument, "the %s option %s: %v", o.Format, o.Key, err).WithRemedy("write it as dd/MM/yyyy or yyyy-MM-dd HH:mm:ss[.SSS]")
	}
	return o.Value, nil
}

// Compiled is a pattern that was checked; nil if it is empty.
func Compiled(s string) *text.Pattern {
	if s == "" {
		return nil
	}
	p, _ := text.ParsePattern(s)
	return p
}

// Zone checks a time zone.
func (o Option) Zone() (string, error) {
	if _, err := cells.ZoneOf(o.Value); err != nil {
		return "", diag.New(diag.InvalidArgument, "there is no time zone %q", o.Value).WithRemedy("name one as Europe/Berlin, UTC or +01:00")
	}
	return o.Value, nil
}

// Compression checks how written files are compressed.
func (o Option) Compression() (gzip bool, err error) {
	switch strings.ToLower(o.Value) {
	case "", "none", "uncompressed":
		return false, nil
	case "gzip":
		return true, nil
	}
	return false, diag.New(diag.InvalidArgument, "%s files cannot be written with the compression %q", o.Format, o.Value).WithRemedy("use none or gzip")
}

// Unknown is the error for an option that there is not.
func (o Option) Unknown(known []string) error {
	return diag.New(diag.InvalidArgument, "there is no %s option %q", o.Format, o.Key).WithRemedy("options are %s", strings.Join(known, ", "))
}
