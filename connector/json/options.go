package json

import (
	"encoding/base64"
	"sort"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/records"
)

// options are a table's options, as they travel.
type options struct {
	MultiLine bool   `json:"m,omitempty"`
	Stop      byte   `json:"l,omitempty"` // line separator; 0: \n, \r\n and \r
	Bare      bool   `json:"b,omitempty"` // keys may stand without quotes
	OneQuote  bool   `json:"q,omitempty"` // strings may stand in single quotes
	Date      string `json:"df,omitempty"`
	Stamp     string `json:"tf,omitempty"`
	StampNTZ  string `json:"nf,omitempty"`
	Zone      string `json:"z,omitempty"`

	// What Open and the writer alone need.
	Mode       records.Mode `json:"-"`
	Corrupt    string       `json:"-"`
	stamps     bool         // strings that are timestamps are
	decimals   bool         // numbers with a fraction are decimals
	texts      bool         // numbers and booleans are strings
	dropNulls  bool
	sampling   float64
	writeNulls bool
	gzip       bool
}

// known are the options by name, for messages.
var known = []string{"multiLine", "lineSep", "encoding", "mode", "columnNameOfCorruptRecord", "dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone",
	"inferTimestamp", "prefersDecimal", "primitivesAsString", "dropFieldIfAllNull", "samplingRatio", "allowUnquotedFieldNames", "allowSingleQuotes",
	"allowNonNumericNumbers", "allowComments", "allowNumericLeadingZeros", "allowBackslashEscapingAnyCharacter", "allowUnquotedControlChars",
	"ignoreNullFields", "compression"}

func parseOptions(in map[string]string) (options, error) {
	o := options{OneQuote: true, Corrupt: records.CorruptRecord, sampling: 1}
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		var err error
		opt := records.Option{Format: "JSON", Key: k, Value: in[k]}
		switch strings.ToLower(k) {
		case "multiline":
			o.MultiLine, err = opt.Flag()
		case "linesep":
			o.Stop, err = opt.LineEnd()
		case "encoding", "charset":
			err = opt.Encoding()
		case "mode":
			o.Mode, err = opt.Mode()
		case "columnnameofcorruptrecord":
			o.Corrupt = opt.Value
		case "dateformat":
			o.Date, err = opt.Pattern()
		case "timestampformat":
			o.Stamp, err = opt.Pattern()
		case "timestampntzformat":
			o.StampNTZ, err = opt.Pattern()
		case "timezone":
			o.Zone, err = opt.Zone()
		case "infertimestamp":
			o.stamps, err = opt.Flag()
		case "prefersdecimal":
			o.decimals, err = opt.Flag()
		case "primitivesasstring":
			o.texts, err = opt.Flag()
		case "dropfieldifallnull":
			o.dropNulls, err = opt.Flag()
		case "samplingratio":
			if o.sampling, err = strconv.ParseFloat(opt.Value, 64); err != nil || !(o.sampling > 0 && o.sampling <= 1) {
				err = opt.Wrong("a number above 0 and up to 1")
			}
		case "allowunquotedfieldnames":
			o.Bare, err = opt.Flag()
		case "allowsinglequotes":
			o.OneQuote, err = opt.Flag()
		case "allownonnumericnumbers":
			err = opt.Only(true)
		case "allowcomments", "allownumericleadingzeros", "allowbackslashescapinganycharacter", "allowunquotedcontrolchars":
			err = opt.Only(false)
		case "ignorenullfields":
			o.writeNulls, err = opt.Flag()
			o.writeNulls = !o.writeNulls
		case "compression", "codec":
			o.gzip, err = opt.Compression()
		default:
			err = opt.Unknown(known)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// rules are the options as the cells' readers want them; binary is those for
// binary columns.
func (o *options) rules() (all, binary *cells.Rules) {
	r := cells.Rules{KeepEmpty: true, Inf: "+INF", Neg: "-INF", Date: records.Compiled(o.Date), Stamp: records.Compiled(o.Stamp), StampNTZ: records.Compiled(o.StampNTZ)}
	r.Zone, _ = cells.ZoneOf(o.Zone)
	r.Decode = func(dst, raw []byte) ([]byte, bool) { return unescape(dst, raw), true }
	b := r
	b.Decode = func(dst, raw []byte) ([]byte, bool) {
		dst, err := base64.StdEncoding.AppendDecode(dst, unescape(nil, raw))
		return dst, err == nil
	}
	return &r, &b
}
