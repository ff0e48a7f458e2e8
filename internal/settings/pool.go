package settings

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Pool is a pool of scheduler.pools.
type Pool struct {
	Name          string
	Weight, Least int
}

var poolForm = regexp.MustCompile(`^([\pL\pN_.-]+)=([0-9]{1,6})(?::([0-9]{1,6}))?$`)

// ParsePools reads "etl=1,dashboards=3:2": names with a weight and, after a colon,
// the slots that they get first.
func ParsePools(v string) (out []Pool, err error) {
	if v == "" {
		return nil, nil
	}
	seen := map[string]bool{}
	for _, x := range strings.Split(v, ",") {
		m := poolForm.FindStringSubmatch(strings.TrimSpace(x))
		if m == nil || seen[m[1]] {
			return nil, diag.New(diag.InvalidSetting, "%q is not a pool, or there twice", x).WithRemedy("write name=weight, or name=weight:slots, with commas between")
		}
		p := Pool{Name: m[1]}
		p.Weight, _ = strconv.Atoi(m[2]) // the form has checked them
		p.Least, _ = strconv.Atoi(m[3])
		if p.Weight < 1 {
			return nil, diag.New(diag.InvalidSetting, "the pool %s needs a weight of at least 1", p.Name)
		}
		seen[p.Name] = true
		out = append(out, p)
	}
	return out, nil
}
