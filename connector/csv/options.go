package csv

import (
	"sort"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// options are a table's options, as they travel. The zero byte is "none" for
// those of one character.
type options struct {
	Sep          string       `json:"s"`
	Quote        byte         `json:"q,omitempty"`
	Escape       byte         `json:"e,omitempty"`
	EscapeEscape byte         `json:"x,omitempty"` // what escapes the escape character
	Comment      byte         `json:"k,omitempty"`
	Stop         byte         `json:"l,omitempty"` // line separator; 0: \n, \r\n and \r
	Null         string       `json:"n,omitempty"`
	Empty        *string      `json:"y,omitempty"` // nil: "" in reading, two quotes in writing
	Header       bool         `json:"h,omitempty"`
	MultiLine    bool         `json:"m,omitempty"`
	TrimLeft     bool         `json:"tl,omitempty"`
	TrimRight    bool         `json:"tr,omitempty"`
	NaN          string       `json:"nan"`
	Inf          string       `json:"inf"`
	Neg          string       `json:"neg"`
	Date         string       `json:"df,omitempty"`
	Stamp        string       `json:"tf,omitempty"`
	StampNTZ     string       `json:"nf,omitempty"`
	Zone         string       `json:"z,omitempty"`
	Mode         records.Mode `json:"p,omitempty"`
	Corrupt      string       `json:"-"`           // the table has it
	Tail         bool         `json:"t,omitempty"` // a separator may end a record (.tbl)

	// What Open and the writer alone need.
	infer, preferDate bool
	sampling          float64
	quoteAll          bool
	gzip              bool
}

// known are the options by name, for messages. Those that Spark has and that
// change nothing here are taken with the one value that is true.
var known = []string{"sep", "header", "quote", "escape", "charToEscapeQuoteEscaping", "comment", "multiLine", "lineSep", "encoding", "inferSchema", "samplingRatio",
	"preferDate", "enforceSchema", "nullValue", "emptyValue", "nanValue", "positiveInf", "negativeInf", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace",
	"dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone", "mode", "columnNameOfCorruptRecord", "quoteAll", "escapeQuotes", "compression"}

func parseOptions(in map[string]string, path string) (options, error) {
	o := options{Sep: ",", Quote: '"', Escape: '\\', Corrupt: records.CorruptRecord, NaN: "NaN", Inf: "Inf", Neg: "-Inf", preferDate: true, sampling: 1}
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
		opt := records.Option{Format: "CSV", Key: k, Value: v}
		var err error
		switch strings.ToLower(k) {
		case "sep", "delimiter":
			o.Sep, err = separator(v)
		case "quote":
			o.Quote, err = opt.Char()
		case "escape":
			o.Escape, err = opt.Char()
		case "chartoescapequoteescaping":
			o.EscapeEscape, err = opt.Char()
			escapeEscape = true
		case "comment":
			o.Comment, err = opt.Char()
		case "linesep":
			o.Stop, err = opt.LineEnd()
		case "encoding", "charset":
			err = opt.Encoding()
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
			o.Date, err = opt.Pattern()
		case "timestampformat":
			o.Stamp, err = opt.Pattern()
		case "timestampntzformat":
			o.StampNTZ, err = opt.Pattern()
		case "timezone":
			o.Zone, err = opt.Zone()
		case "header":
			o.Header, err = opt.Flag()
		case "multiline":
			o.MultiLine, err = opt.Flag()
		case "ignoreleadingwhitespace":
			o.TrimLeft, err = opt.Flag()
		case "ignoretrailingwhitespace":
			o.TrimRight, err = opt.Flag()
		case "inferschema":
			o.infer, err = opt.Flag()
		case "preferdate", "prefersdate":
			o.preferDate, err = opt.Flag()
		case "samplingratio":
			if o.sampling, err = strconv.ParseFloat(v, 64); err != nil || !(o.sampling > 0 && o.sampling <= 1) {
				err = diag.New(diag.InvalidArgument, "the CSV option %s needs a number above 0 and up to 1, not %q", k, v)
			}
		case "columnnameofcorruptrecord":
			o.Corrupt = v
		case "quoteall":
			o.quoteAll, err = opt.Flag()
		case "compression", "codec":
			o.gzip, err = opt.Compression()
		case "mode":
			o.Mode, err = opt.Mode()
		case "enforceschema", "escapequotes":
			err = opt.Only(true)
		default:
			err = opt.Unknown(known)
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

// rules are the options as the cells' readers want them. The patterns were
// checked when the options were read.
func (o *options) rules() *cells.Rules {
	r := &cells.Rules{Null: o.Null, NaN: o.NaN, Inf: o.Inf, Neg: o.Neg}
	if o.Empty != nil {
		r.Empty = []byte(*o.Empty)
	}
	r.Date, r.Stamp, r.StampNTZ = records.Compiled(o.Date), records.Compiled(o.Stamp), records.Compiled(o.StampNTZ)
	r.Zone, _ = cells.ZoneOf(o.Zone)
	r.Decode = func(dst, raw []byte) ([]byte, bool) {
		dst, _, _ = o.unquote(dst, raw, false)
		return dst, true
	}
	return r
}
