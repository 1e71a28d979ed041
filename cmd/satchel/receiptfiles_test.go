package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
)

// TestReceiptFilesStale: signatures of a receipt that had the name before do not stay beside a new
// one.
func TestReceiptFilesStale(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, n := range []int{3, 1} {
		if err := writeReceipt(dir, "a.json", []byte{byte(n)}, make([][]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestSinceSize: of a file that is no receipt no more is read than the largest has.
func TestSinceSize(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 1<<40); err != nil {
		t.Skip(err)
	}
	var said nothing
	var format *receipt.FormatError
	if _, err := (&app{stderr: said}).readReceipt(file, nil); !errors.As(err, &format) {
		t.Errorf("it was read: %v", err)
	}
}

type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }
