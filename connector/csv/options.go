package csv

import (
	"sort"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/internal/diag"
)

// mode says what becomes of malformed records.
type mode uint8

// Permissive reads what can be read and leaves nulls; dropMalformed leaves such
// records out; failFast fails.
const (
	permissive mode = iota
	dropMalformed
	failFast
)

// options are a table's options, as they travel. The zero byte is "none" for
// those of one character.
type options struct {
	Sep          string  `json:"s"`
	Quote        byte    `json:"q,omitempty"`
	Escape       byte    `json:"e,omitempty"`
	EscapeEscape byte    `json:"x,omitempty"` // what escapes the escape character
	Comment      byte    `json:"k,omitempty"`
	Stop         byte    `json:"l,omitempty"` // line separator; 0: \n, \r\n and \r
	Null         string  `json:"n,omitempty"`
	Empty        *string `json:"y,omitempty"` // nil: "" in reading, two quotes in writing
	Header       bool    `json:"h,omitempty"`
	MultiLine    bool    `json:"m,omitempty"`
	TrimLeft     bool    `json:"tl,omitempty"`
	TrimRight    bool    `json:"tr,omitempty"`
	Mode         mode    `json:"p,omitempty"`
	Corrupt      string  `json:"c"`
	NaN          string  `json:"nan"`
	Inf          string  `json:"inf"`
	Neg          string  `json:"neg"`
	Date         string  `json:"df,omitempty"`
	Stamp        string  `json:"tf,omitempty"`
	StampNTZ     string  `json:"nf,omitempty"`
	Zone         string  `json:"z,omitempty"`
	Tail         bool    `json:"t,omitempty"` // a separator may end a record (.tbl)

	// What Open and the writer alone need.
	infer, preferDate bool
	sampling          float64
	quoteAll          bool
	compression       string
}

// known are the options by name, for messages. Those that Spark has and that
// change nothing here are taken with the one value that is true.
var known = []string{"sep", "header", "quote", "escape", "charToEscapeQuoteEscaping", "comment", "multiLine", "lineSep", "encoding", "inferSchema", "samplingRatio",
	"preferDate", "enforceSchema", "nullValue", "emptyValue", "nanValue", "positiveInf", "negativeInf", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace",
	"dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone", "mode", "columnNameOfCorruptRecord", "quoteAll", "escapeQuotes", "compression"}

func parseOptions(in map[string]string, path string) (options, error) {
	o := options{Sep: ",", Quote: '"', Escape: '\\', Corrupt: "_corrupt_record", NaN: "NaN", Inf: "Inf", Neg: "-Inf", preferDate: true, sampling: 1}
	name := strings.ToLower(path)
	for _, z := range []string{".gz", ".bz2", ".zst"} {
		name = strings.TrimSuffix(name, z)
	}
	switch {
	case strings.HasSuffix(name, ".tsv"):
		o.Sep = "\t"
	case strings.HasSuffix(name, ".tbl"):
		o.Sep, o.Tail = "|", true
	}
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	escapeEscape := false
	for _, k := range keys {
		v := in[k]
		var err error
		switch strings.ToLower(k) {
		case "sep", "delimiter":
			o.Sep, err = separator(v)
		case "quote":
			o.Quote, err = char(k, v)
		case "escape":
			o.Escape, err = char(k, v)
		case "chartoescapequoteescaping":
			o.EscapeEscape, err = char(k, v)
			escapeEscape = true
		case "comment":
			o.Comment, err = char(k, v)
		case "linesep":
			switch v {
			case "\n", "\r\n", "\r", `\n`, `\r\n`, `\r`:
			default:
				o.Stop, err = char(k, v)
			}
		case "encoding", "charset":
			if u := strings.ToUpper(v); u != "UTF-8" && u != "UTF8" && u != "US-ASCII" {
				err = diag.New(diag.Unsupported, "the CSV encoding %s is not supported", v).WithRemedy("convert the file to UTF-8, as by iconv -f %s -t UTF-8", v)
			}
		case "nullvalue":
			o.Null = v
		case "emptyvalue":
			o.Empty = &v
		case "nanvalue":
			o.NaN = v
		case "positiveinf":
			o.Inf = v
		case "negativeinf":
			o.Neg = v
		case "dateformat":
			o.Date, err = pattern(k, v)
		case "timestampformat":
			o.Stamp, err = pattern(k, v)
		case "timestampntzformat":
			o.StampNTZ, err = pattern(k, v)
		case "timezone":
			if _, e := cells.ZoneOf(v); e != nil {
				err = diag.New(diag.InvalidArgument, "there is no time zone %q", v).WithRemedy("name one as Europe/Berlin, UTC or +01:00")
			}
			o.Zone = v
		case "header":
			o.Header, err = flag(k, v)
		case "multiline":
			o.MultiLine, err = flag(k, v)
		case "ignoreleadingwhitespace":
			o.TrimLeft, err = flag(k, v)
		case "ignoretrailingwhitespace":
			o.TrimRight, err = flag(k, v)
		case "inferschema":
			o.infer, err = flag(k, v)
		case "preferdate", "prefersdate":
			o.preferDate, err = flag(k, v)
		case "samplingratio":
			if o.sampling, err = strconv.ParseFloat(v, 64); err != nil || !(o.sampling > 0 && o.sampling <= 1) {
				err = diag.New(diag.InvalidArgument, "the CSV option %s needs a number above 0 and up to 1, not %q", k, v)
			}
		case "columnnameofcorruptrecord":
			o.Corrupt = v
		case "quoteall":
			o.quoteAll, err = flag(k, v)
		case "compression", "codec":
			o.compression = strings.ToLower(v)
		case "mode":
			o.Mode, err = modeOf(v)
		case "enforceschema", "escapequotes":
			var on bool
			if on, err = flag(k, v); err == nil && !on {
				err = diag.New(diag.Unsupported, "the CSV option %s = false is not supported", k)
			}
		default:
			err = diag.New(diag.InvalidArgument, "there is no CSV option %q", k).WithRemedy("options are %s", strings.Join(known, ", "))
		}
		if err != nil {
			return o, err
		}
	}
	if !escapeEscape && o.Escape != o.Quote {
		o.EscapeEscape = o.Escape
	}
	if o.quoteAll && o.Quote == 0 {
		return o, diag.New(diag.InvalidArgument, "the CSV option quoteAll needs a quote").WithRemedy("set the option quote")
	}
	for _, c := range []byte{o.Quote, o.Comment, o.Stop} {
		if c != 0 && c == o.Sep[0] {
			return o, diag.New(diag.InvalidArgument, "the CSV separator %q has another meaning as well", o.Sep).WithRemedy("set sep, quote, comment and lineSep to different characters")
		}
	}
	return o, nil
}

func modeOf(v string) (mode, error) {
	switch strings.ToUpper(v) {
	case "PERMISSIVE":
		return permissive, nil
	case "DROPMALFORMED":
		return dropMalformed, nil
	case "FAILFAST":
		return failFast, nil
	}
	return 0, diag.New(diag.InvalidArgument, "there is no CSV mode %q", v).WithRemedy("use PERMISSIVE, DROPMALFORMED or FAILFAST")
}

func flag(k, v string) (bool, error) {
	b, err := text.ParseBool(v)
	if err != nil {
		return false, diag.New(diag.InvalidArgument, "the CSV option %s needs true or false, not %q", k, v)
	}
	return b, nil
}

// char reads an option of one character, or none.
func char(k, v string) (byte, error) {
	switch {
	case v == "" || v == `\0` || v == "\x00":
		return 0, nil
	case v == `\t`:
		return '\t', nil
	case len(v) > 1 && v != `\\` || v[0] >= 0x80 || v == "\n" || v == "\r":
		return 0, diag.New(diag.InvalidArgument, "the CSV option %s needs one ASCII character, not %q", k, v)
	}
	return v[0], nil
}

// separator reads the option sep: one character or several.
func separator(v string) (string, error) {
	switch v {
	case `\t`:
		return "\t", nil
	case `\\`:
		return `\`, nil
	}
	if v == "" || len(v) > 8 || strings.ContainsAny(v, "\r\n\x00") {
		return "", diag.New(diag.InvalidArgument, "the CSV separator must be a character or a few, not %q", v)
	}
	return v, nil
}

func pattern(k, v string) (string, error) {
	if _, err := text.ParsePattern(v); err != nil {
		return "", diag.New(diag.InvalidArgument, "the CSV option %s: %v", k, err).WithRemedy("write it as dd/MM/yyyy or yyyy-MM-dd HH:mm:ss[.SSS]")
	}
	return v, nil
}

// rules are the options as the cells' readers want them. The patterns were
// checked when the options were read.
func (o *options) rules() *cells.Rules {
	r := &cells.Rules{Null: o.Null, NaN: o.NaN, Inf: o.Inf, Neg: o.Neg}
	if o.Empty != nil {
		r.Empty = []byte(*o.Empty)
	}
	compile := func(s string) *text.Pattern {
		if s == "" {
			return nil
		}
		p, _ := text.ParsePattern(s)
		return p
	}
	r.Date, r.Stamp, r.StampNTZ = compile(o.Date), compile(o.Stamp), compile(o.StampNTZ)
	r.Zone, _ = cells.ZoneOf(o.Zone)
	r.Decode = func(dst, raw []byte) []byte {
		dst, _, _ = o.unquote(dst, raw, false)
		return dst
	}
	return r
}
