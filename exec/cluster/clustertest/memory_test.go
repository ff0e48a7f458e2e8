package clustertest

import (
	"testing"

	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
)

func TestMemory(t *testing.T) {
	Run(t, func(c executor.Config) cluster.Backend { return NewMemory(2, c) })
}

func TestMemoryMigrates(t *testing.T) {
	Migrates(t, func(n int, c executor.Config) cluster.Migrating { return NewMemory(n, c) })
}
