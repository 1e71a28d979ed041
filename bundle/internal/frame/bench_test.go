package frame

import (
	"crypto/rand"
	"io"
	"testing"
)

// BenchmarkWriter lays content that does not compress into frames.
func BenchmarkWriter(b *testing.B) {
	content := make([]byte, MaxContent)
	if _, err := rand.Read(content); err != nil {
		b.Fatal(err)
	}
	enc := encoders(b)
	buffers := NewBuffers()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		w := NewWriter(io.Discard, enc, buffers)
		if _, err := w.Write(content); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
