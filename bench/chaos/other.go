//go:build !linux

package chaos

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"time"
)

// supported says that faults cannot be made here.
var supported = errors.New("only Linux lets faults be made from the outside")

type disk struct{ dir string }

func executors([]int) []int                          { return nil }
func stat(int) (string, int)                         { return "", 0 }
func kill(int) error                                 { return supported }
func stop(int) (func(), error)                       { return nil, supported }
func cut(int, bool, *rand.Rand) (int, error)         { return 0, supported }
func sever(int, []int) (func(), error)               { return nil, supported }
func mount(string, int64) (*disk, error)             { return nil, supported }
func (d *disk) unmount() error                       { return nil }
func (d *disk) fill() (func(), error)                { return nil, supported }
func damageSpill([]int, *rand.Rand) error            { return supported }
func damageKept(string, time.Time, *rand.Rand) error { return supported }
func orphanless() *syscall.SysProcAttr               { return nil }
