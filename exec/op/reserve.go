package op

import (
	"context"
	"errors"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Reserve grows a reservation for an operator that cannot give anything back:
// where memory is short it fails with an error that names the operator.
func Reserve(ctx context.Context, r memory.Reservation, n int64, who string) error {
	err := r.Grow(ctx, n)
	if errors.Is(err, memory.ErrSpill) {
		return diag.New(diag.MemoryLimit, "%s holds %d MiB and needs %d KiB more than the memory budget has left", who, r.Held()>>20, (n+1023)>>10).
			WithRemedy("raise --memory (MILLRACE_MEMORY), or let the query touch less data").WithCause(err)
	}
	return err
}
