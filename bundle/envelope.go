package bundle

import (
	"io"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
)

const (
	ageChunk = 64 << 10 // C2SP age spec, payload
	ageTag   = 16
)

// envelope is what segments and the index are wrapped in: an age file to the bundle key, or
// nothing in a bundle that is not encrypted.
type envelope struct {
	key   string // the bundle key's recipient
	plain bool
}

func envelopeOf(b journal.Begin) envelope { return envelope{b.Key, b.Plain} }

// wrap begins a file on dst.
func (e envelope) wrap(dst io.Writer) (io.WriteCloser, error) {
	if e.plain {
		return unwrapped{dst}, nil
	}
	return keys.Encrypt(dst, e.key)
}

// most bounds what the envelope adds to a file after its header, before the last byte is known.
func (e envelope) most(content int64) int64 {
	if e.plain {
		return 0
	}
	return ageTag * (content/ageChunk + 1)
}

// tags is what the envelope adds to a whole file after its header.
func (e envelope) tags(content int64) int64 {
	if e.plain {
		return 0
	}
	return ageTag * max(1, (content+ageChunk-1)/ageChunk)
}

type unwrapped struct{ io.Writer }

// Close does nothing: there is no end to write.
func (unwrapped) Close() error { return nil }
