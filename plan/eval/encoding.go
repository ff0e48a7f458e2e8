package eval

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"math/bits"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// encodingFunctions turn values into other notations of themselves.
var encodingFunctions = map[string]rowFunction{
	"md5": text1(func(s []byte) []byte {
		sum := md5.Sum(s)
		return []byte(hex.EncodeToString(sum[:]))
	}),
	"sha1": text1(func(s []byte) []byte {
		sum := sha1.Sum(s)
		return []byte(hex.EncodeToString(sum[:]))
	}),
	"crc32": func(b *builder, args []*columnar.Vector, i int) error {
		b.int(i, int64(crc32.ChecksumIEEE(args[0].BytesAt(i))))
		return nil
	},
	"base64": text1(func(s []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(s)) }),
	"unbase64": func(b *builder, args []*columnar.Vector, i int) error {
		out, err := base64.StdEncoding.DecodeString(string(args[0].BytesAt(i)))
		if err != nil {
			return diag.New(diag.InvalidArgument, "'%s' is not base64 text", args[0].BytesAt(i))
		}
		b.str(i, out)
		return nil
	},
	"hex": func(b *builder, args []*columnar.Vector, i int) error {
		if args[0].Type.IsBytes() {
			b.str(i, []byte(strings.ToUpper(hex.EncodeToString(args[0].BytesAt(i)))))
		} else {
			b.str(i, []byte(strings.ToUpper(strconv.FormatUint(uint64(args[0].Int64At(i)), 16))))
		}
		return nil
	},
	"unhex": func(b *builder, args []*columnar.Vector, i int) error {
		s := string(args[0].BytesAt(i))
		if len(s)%2 == 1 {
			s = "0" + s
		}
		out, err := hex.DecodeString(s)
		if err != nil {
			b.null(i)
		} else {
			b.str(i, out)
		}
		return nil
	},
	"bin": func(b *builder, args []*columnar.Vector, i int) error {
		b.str(i, strconv.AppendUint(nil, uint64(args[0].Int64At(i)), 2))
		return nil
	},
	"bit_count": func(b *builder, args []*columnar.Vector, i int) error {
		b.int(i, int64(bits.OnesCount64(uint64(args[0].Int64At(i)))))
		return nil
	},
	"bit_get": func(b *builder, args []*columnar.Vector, i int) error {
		at := args[1].Int64At(i)
		if at < 0 || at > 63 {
			return diag.New(diag.InvalidArgument, "there is no bit %d", at).WithRemedy("bits are counted from 0, the lowest, to 63")
		}
		b.int(i, args[0].Int64At(i)>>uint(at)&1)
		return nil
	},
	"url_encode": text1(func(s []byte) []byte { return []byte(url.QueryEscape(string(s))) }),
	"url_decode": func(b *builder, args []*columnar.Vector, i int) error {
		out, err := url.QueryUnescape(string(args[0].BytesAt(i)))
		if err != nil {
			return diag.New(diag.InvalidArgument, "'%s' is not an encoded URL", args[0].BytesAt(i))
		}
		b.str(i, []byte(out))
		return nil
	},
	"encode": transcode, "decode": transcode,
	"is_valid_utf8": func(b *builder, args []*columnar.Vector, i int) error {
		b.bool(i, utf8.Valid(args[0].BytesAt(i)))
		return nil
	},
	"chr": func(b *builder, args []*columnar.Vector, i int) error {
		switch x := args[0].Int64At(i); {
		case x < 0:
			b.str(i, nil)
		default:
			b.str(i, utf8.AppendRune(nil, rune(x&0xff)))
		}
		return nil
	},
}

// transcode is ENCODE and DECODE: strings are UTF-8 in memory.
func transcode(b *builder, args []*columnar.Vector, i int) error {
	switch set := strings.ToLower(string(args[1].BytesAt(i))); set {
	case "utf-8", "utf8":
		b.str(i, args[0].BytesAt(i))
		return nil
	default:
		return diag.New(diag.Unsupported, "the character set %s is not supported", set).WithRemedy("use UTF-8")
	}
}
