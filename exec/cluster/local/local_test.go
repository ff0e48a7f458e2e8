package local

import (
	"testing"

	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/clustertest"
	"github.com/millrace-engine/millrace/exec/executor"
)

func TestBackend(t *testing.T) {
	clustertest.Run(t, func(c executor.Config) cluster.Backend { return New(c) })
}
