//go:build !linux

package memory

import (
	"errors"
	"os"
)

func mapFile(int) ([]byte, *os.File) { return nil, nil }

func openFile(*os.File) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapFile([]byte) {}
