package clustertest

import (
	"testing"

	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
)

func TestMemory(t *testing.T) {
	Run(t, func(c executor.Config) cluster.Backend { return NewMemory(2, c) })
}
