package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is a sort of fault.
type Kind string

// The kinds, which the package documentation explains.
const (
	Kill   Kind = "kill"
	Stop   Kind = "stop"
	Cut    Kind = "cut"
	Sever  Kind = "sever"
	Damage Kind = "damage"
	Fill   Kind = "fill"
)

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{Kill, Stop, Cut, Sever, Damage, Fill} }

// ParseKinds reads a list as kill,stop; "" stands for all.
func ParseKinds(list string) ([]Kind, error) {
	if list == "" {
		return Kinds(), nil
	}
	var out []Kind
	for _, s := range strings.Split(list, ",") {
		k := Kind(strings.TrimSpace(s))
		if !slices.Contains(Kinds(), k) {
			return nil, fmt.Errorf("there is no fault %q, only %v", k, Kinds())
		}
		out = append(out, k)
	}
	return out, nil
}

// errMissed is why a fault did not strike: there was nothing for it to strike.
var errMissed = errors.New("there was nothing to strike")
