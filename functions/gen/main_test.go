package main

import (
	"bytes"
	"os"
	"testing"
)

// The wrappers in the tree are those of the function table.
func TestUpToDate(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../functions.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("functions.go is not what the function table makes of it; run make gen")
	}
}
