package keys

import (
	"context"
	"errors"
	"testing"

	"filippo.io/age"
)

// interrupted is a plugin whose program dies of the Ctrl-C that is meant for us.
type interrupted struct{ stop func() }

func (i interrupted) Unwrap([]*age.Stanza) ([]byte, error) {
	i.stop()
	return nil, errors.New("plugin: unexpected EOF")
}

func TestCtrlCWhileAPluginWaits(t *testing.T) {
	files, _, err := Make(recipients(t, generate(t, false)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = Unlock(ctx, named(files), []Identity{{name: "k", cost: runs, plugin: true, key: interrupted{stop}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
}
