package millrace_test

import (
	"context"
	"encoding/json"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// example is a query of Spark's function documentation with its rows, rendered
// with tabs between the columns.
type example struct {
	Category string
	Query    string
	Result   []string
}

// differs lists the examples whose outcome may differ, with the reason.
var differs = map[string]string{
	`SELECT try_add(interval 1 year, interval 2 year);`:                                           "intervals are rendered as literals",
	`SELECT try_multiply(interval 2 year, 3);`:                                                    "intervals are rendered as literals",
	`SELECT try_subtract(interval 2 year, interval 1 year);`:                                      "intervals are rendered as literals",
	`SELECT btrim(encode('SSparkSQLS', 'utf-8'), encode('SL', 'utf-8'));`:                         "the function takes no binaries yet",
	`SELECT hex(lpad(unhex('aabb'), 5, unhex('1122')));`:                                          "the function takes no binaries yet",
	`SELECT hex(rpad(unhex('aabb'), 5, unhex('1122')));`:                                          "the function takes no binaries yet",
	`SELECT left(encode('Spark SQL', 'utf-8'), 3);`:                                               "the function takes no binaries yet",
	`SELECT overlay(encode('Spark SQL', 'utf-8') PLACING encode('ANSI ', 'utf-8') FROM 7 FOR 0);`: "the function takes no binaries yet",
	`SELECT overlay(encode('Spark SQL', 'utf-8') PLACING encode('_', 'utf-8') FROM 6);`:           "the function takes no binaries yet",
	`SELECT substr(encode('Spark SQL', 'utf-8'), 5);`:                                             "the function takes no binaries yet",
	`SELECT timestamp_seconds(1230219000.123);`:                                                   "timestamp_seconds takes whole seconds only yet",
	"SELECT cot(1);": "the tangent that Go computes is off by one in its last digit",
	`SELECT regexp('%SystemDrive%\Users\John', '%SystemDrive%\\Users.*');`:                                                                                    "it supposes the setting escapedStringLiterals, which is not there",
	`SELECT regexp_like('%SystemDrive%\Users\John', '%SystemDrive%\\Users.*');`:                                                                               "it supposes the setting escapedStringLiterals, which is not there",
	`SELECT '%SystemDrive%\Users\John' ilike '\%SystemDrive\%\\users%';`:                                                                                      "it supposes the setting escapedStringLiterals, which is not there",
	`SET spark.sql.parser.escapedStringLiterals=false;`:                                                                                                       "the setting is not there",
	`SELECT name, grouping_id(), sum(age), avg(height) FROM VALUES (2, 'Alice', 165), (5, 'Bob', 180) people(age, name, height) GROUP BY cube(name, height);`: "the order of its rows is not defined",
	`SELECT abs(INTERVAL -'1-1' YEAR TO MONTH);`:                                                                                                              "intervals are rendered as literals",
}

// absent are the classes with which a function or a syntax that does not exist
// yet is refused.
var absent = map[diag.Class]bool{diag.Unsupported: true, diag.UnresolvedRoutine: true, diag.Syntax: true}

// TestConformance runs Spark's documented examples. Those that are refused as
// not there yet are counted; a wrong answer is a failure.
func TestConformance(t *testing.T) {
	raw, err := os.ReadFile("../shared/conformance/spark-functions.json")
	if err != nil {
		t.Skip("the examples are not here: ", err)
	}
	var all []example
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	s := open(t, "local[2]", millrace.WithSetting(settings.TimeZone, "America/Los_Angeles")) // Spark's tests run there
	right, wrong, excused := 0, 0, 0
	missing := map[string]int{}
	for _, x := range all {
		rows, err := conform(s, x.Query)
		for i := range rows { // the expected lines are trimmed
			rows[i] = strings.TrimSpace(rows[i])
		}
		got, want := strings.Join(rows, "\n"), strings.Join(x.Result, "\n")
		switch {
		case absent[diag.ClassOf(err)]:
			missing[x.Category]++
			if testing.Verbose() {
				t.Logf("not there yet: %s\n  %v", x.Query, err)
			}
		case err == nil && got == want:
			right++
			if why, ok := differs[x.Query]; ok {
				t.Errorf("%s\nis right, but listed as different because %s", x.Query, why)
			}
		case differs[x.Query] != "":
			excused++
		default:
			wrong++
			t.Errorf("%s\ngot  %q, %v\nwant %q", x.Query, got, err, want)
		}
	}
	var categories []string
	n := 0
	for c, k := range missing {
		categories = append(categories, c)
		n += k
	}
	sort.Strings(categories)
	for _, c := range categories {
		t.Logf("not there yet in %s: %d", c, missing[c])
	}
	t.Logf("%d right, %d not there yet, %d wrong, %d different with a reason, of %d", right, n, wrong, excused, len(all))
}

// conform runs a query and renders its rows.
func conform(s *millrace.Session, query string) (rows []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	df, err := s.SQL(ctx, strings.TrimSuffix(strings.TrimSpace(query), ";"))
	if err != nil {
		return nil, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return nil, err
	}
	err = r.Each(func(values []string, _ []bool) error {
		rows = append(rows, strings.Join(values, "\t"))
		return nil
	})
	return rows, err
}
