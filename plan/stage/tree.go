package stage

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/plan/physical"
)

// Tree renders the graph as one plan, as it was before it was cut: below what reads an
// exchange stands what writes it, the first time. Lines with ‣ tell what re-planning
// made of a stage.
func (g *Graph) Tree() string {
	var b strings.Builder
	shown := map[int]bool{}
	var walk func(p physical.Plan, depth int)
	below := func(s *Stage, depth int) {
		for _, r := range s.Rewrites {
			fmt.Fprintf(&b, "%s‣ %s\n", strings.Repeat("  ", depth), r)
		}
		walk(s.Root, depth)
	}
	walk = func(p physical.Plan, depth int) {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), p)
		if src, ok := p.(*physical.Source); ok {
			w := g.Writer(src.Exchange)
			if w == nil || shown[w.ID] {
				return
			}
			shown[w.ID] = true
			fmt.Fprintf(&b, "%sExchange %d %s\n", strings.Repeat("  ", depth+1), w.Out.Exchange, w.Out.Partitioning)
			below(w, depth+2)
		}
		for _, k := range p.Children() {
			walk(k, depth+1)
		}
	}
	below(g.Stages[g.Result], 0)
	return b.String()
}
