package unpack

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/satchel-airgap/satchel/transport"
)

// TestUnanswered: a mirror that is away is not asked for each earlier release; what one of them lacks
// says nothing of the next.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	for want, errs := range map[bool][]error{
		true:  {&transport.RegistryError{Err: io.EOF}, fmt.Errorf("look: %w", &transport.RegistryError{Err: errors.New("connection refused")})},
		false: {nil, &transport.RegistryError{Status: 503}, errors.New("no receipt says that the mirror has 2 of its 190 images")},
	} {
		for _, err := range errs {
			if unanswered(err) != want {
				t.Errorf("%v: not %t", err, want)
			}
		}
	}
}
