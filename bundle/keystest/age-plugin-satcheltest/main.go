// Command age-plugin-satcheltest is an age plugin for tests. Its keys protect
// nothing: recipient and identity are the same bytes. The first says how the
// recipient behaves, the second whether the identity asks.
package main

import (
	"errors"
	"os"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

func main() {
	p, err := plugin.New(keystest.PluginName)
	if err != nil {
		os.Exit(3)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) {
		note("wrap")
		return recipient(data), nil
	})
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		note("unwrap")
		return &identity{p, data}, nil
	})
	os.Exit(p.Main())
}

// note counts what the plugin was run for, in the file that a test names.
func note(what string) {
	f, err := os.OpenFile(os.Getenv(keystest.LogVariable), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(what + "\n") // the test misses the line
	_ = f.Close()
}

type recipient []byte

// Wrap is [age.Recipient].
func (r recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	list, _, err := r.WrapWithLabels(fileKey)
	return list, err
}

// WrapWithLabels is [age.RecipientWithLabels].
func (r recipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	s := &age.Stanza{Type: keystest.PluginName, Args: []string{"x"}, Body: mask(fileKey, r)}
	switch keystest.Label(r[0]) {
	case keystest.PostQuantum:
		return []*age.Stanza{s}, []string{"postquantum"}, nil
	case keystest.Alone:
		return []*age.Stanza{s}, []string{"satcheltest"}, nil
	case keystest.Broken:
		return nil, nil, errors.New("the device is not there")
	}
	return []*age.Stanza{s}, nil, nil
}

type identity struct {
	p    *plugin.Plugin
	data []byte
}

// Unwrap is [age.Identity]. The checksum byte says whether the stanza is ours.
func (i *identity) Unwrap(list []*age.Stanza) ([]byte, error) {
	for _, s := range list {
		if s.Type != keystest.PluginName || len(s.Body) != 17 || s.Body[16] != i.data[2] {
			continue
		}
		if i.data[1] != 0 {
			pin, err := i.p.RequestValue("PIN", true)
			if err != nil || pin != keystest.PIN {
				return nil, errors.New("wrong PIN")
			}
		}
		return mask(s.Body[:16], i.data)[:16], nil
	}
	return nil, age.ErrIncorrectIdentity
}

// mask hides a file key from nobody, and says at its end for whom it is.
func mask(key, data []byte) []byte {
	out := make([]byte, len(key))
	for i, b := range key {
		out[i] = b ^ data[2]
	}
	return append(out, data[2])
}
