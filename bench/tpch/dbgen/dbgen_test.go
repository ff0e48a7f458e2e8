package dbgen_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"os"
	"testing"

	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
)

// checksums are the MD5 sums of the official generator's files.
var checksums = map[string]map[string]string{
	"0.01": {
		"customer": "a8aa97edad6d47b183a569759fbd3eec",
		"lineitem": "4c6d44350a1f7974f56f5d3d7091c2be",
		"nation":   "2f588e0b7fa72939b498c2abecd9fbbe",
		"orders":   "c8d2008fb47f47f9e56543d4cb0f4e6a",
		"part":     "9cce16188c241c25617ca5ed6191e37e",
		"partsupp": "c6889c3ed0939ca02475f7fb410cbb50",
		"region":   "c235841b00d29ad4f817771fcc851207",
		"supplier": "56e0621c472064c2a998757c70b44043",
	},
	"0.1": {
		"customer": "8f279b30fee7203e32886be01efd823b",
		"lineitem": "dec17abbc566d431f5808c5c9f81b8a5",
		"nation":   "2f588e0b7fa72939b498c2abecd9fbbe",
		"orders":   "2520d48234df183e47c57027a52007ee",
		"part":     "3f5dc86fbedff28bf1a88bea8341aa6f",
		"partsupp": "e3bd40ee500c9cc88fd14a4dc904c09e",
		"region":   "c235841b00d29ad4f817771fcc851207",
		"supplier": "85f567a75bd806f3ccff89341866ab1c",
	},
	"1": {
		"customer": "b662b705bc3ac183c1942367cf522e42",
		"lineitem": "e6368ad3f339bf1d4a3b8a1beba23870",
		"nation":   "2f588e0b7fa72939b498c2abecd9fbbe",
		"orders":   "62264a9feaa3a3fd59805910dfe18a30",
		"part":     "b7ca9b82dc3d9c6543a96faac588a281",
		"partsupp": "1b531d9b3963dd72c920179b31135e84",
		"region":   "c235841b00d29ad4f817771fcc851207",
		"supplier": "565f8733ecdb2faf654a3efe0a422957",
	},
}

func check(t *testing.T, sf string, scale float64, parts int) {
	for table, want := range checksums[sf] {
		h := md5.New()
		for p := range parts {
			if err := dbgen.WriteTBL(context.Background(), h, table, scale, p, parts); err != nil {
				t.Fatal(err)
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s at SF %s in %d parts: MD5 %s, the official generator's is %s", table, sf, parts, got, want)
		}
	}
}

func TestOfficialChecksums(t *testing.T) {
	check(t, "0.01", 0.01, 1)
	check(t, "0.01", 0.01, 7)
	if os.Getenv("MILLRACE_SLOW") != "" {
		check(t, "0.1", 0.1, 3)
		check(t, "1", 1, 4)
	}
}
