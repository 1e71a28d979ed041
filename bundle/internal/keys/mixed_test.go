package keys

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

func TestRefusedMixtures(t *testing.T) {
	keystest.Plugin(t)
	x, pq, ssh := generate(t, false), generate(t, true), sshPair(t, "ed25519", "")
	pluginX, pluginPQ := pluginPair(t, keystest.Classic, false, 1), pluginPair(t, keystest.PostQuantum, false, 2)
	alone, broken := pluginPair(t, keystest.Alone, false, 3), pluginPair(t, keystest.Broken, false, 4)
	word := known(t, "a word").Recipient()
	const quantum = "quantum"
	for name, c := range map[string]struct {
		to  []Recipient
		why string
	}{
		"X25519 and post-quantum":           {recipients(t, x, pq), quantum},
		"SSH and post-quantum":              {recipients(t, pq, ssh), quantum},
		"plugin and post-quantum":           {recipients(t, pq, pluginX), quantum},
		"post-quantum plugin and X25519":    {recipients(t, x, pluginPQ), quantum},
		"post-quantum plugin and SSH":       {recipients(t, pluginPQ, ssh), quantum},
		"plugins of both kinds":             {recipients(t, pluginPQ, pluginX), quantum},
		"a plugin that wants its like":      {recipients(t, alone, x), "satcheltest"},
		"such a plugin and a passphrase":    {append(recipients(t, alone), word), "satcheltest"},
		"such a plugin and a post-quantum":  {recipients(t, pq, alone), quantum},
		"passphrase between the two, mixed": {append(recipients(t, pq, x), word), quantum},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Make(c.to)
			var mixed *MixedError
			if !errors.As(err, &mixed) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v, want a mixture refused because of %q", err, c.why)
			}
		})
	}
	if files, _ := make2(t, recipients(t, alone)); len(files) != 1 {
		t.Error("a plugin that wants its like was refused alone")
	}
	_, _, err := Make(recipients(t, x, broken))
	var refused *RecipientError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "the device is not there") {
		t.Errorf("a plugin that fails gave %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := Make(recipients(t, pluginX)); !errors.As(err, &refused) {
		t.Errorf("a plugin that is missing gave %v", err)
	}
}

func TestAdd(t *testing.T) {
	keystest.Plugin(t)
	x, pq, ssh := generate(t, false), generate(t, true), sshPair(t, "ed25519", "")
	pluginX, pluginPQ := pluginPair(t, keystest.Classic, false, 1), pluginPair(t, keystest.PostQuantum, false, 2)
	alone := pluginPair(t, keystest.Alone, false, 3)
	word, other := known(t, "a word"), known(t, "another")
	for name, c := range map[string]struct {
		bundle []Recipient
		by     []Identity
		add    []Recipient
		ok     bool
	}{
		"classic, classic":           {recipients(t, x), identities(t, x.identity, nil), recipients(t, ssh, pluginX), true},
		"classic, passphrase":        {recipients(t, x), identities(t, x.identity, nil), []Recipient{word.Recipient()}, true},
		"classic, post-quantum":      {recipients(t, x), identities(t, x.identity, nil), recipients(t, pq), false},
		"ssh, post-quantum":          {recipients(t, ssh), identities(t, ssh.identity, nil), recipients(t, pq), false},
		"classic, its like alone":    {recipients(t, x), identities(t, x.identity, nil), recipients(t, alone), false},
		"classic, plugin's quantum":  {recipients(t, x), identities(t, x.identity, nil), recipients(t, pluginPQ), false},
		"post-quantum, same":         {recipients(t, pq), identities(t, pq.identity, nil), recipients(t, pq, pluginPQ), true},
		"post-quantum, passphrase":   {recipients(t, pq), identities(t, pq.identity, nil), []Recipient{word.Recipient()}, true},
		"post-quantum, classic":      {recipients(t, pq), identities(t, pq.identity, nil), recipients(t, x), false},
		"post-quantum, ssh":          {recipients(t, pq), identities(t, pq.identity, nil), recipients(t, ssh), false},
		"post-quantum, plugin":       {recipients(t, pq), identities(t, pq.identity, nil), recipients(t, pluginX), false},
		"passphrase, classic":        {[]Recipient{word.Recipient()}, []Identity{word.Identity()}, recipients(t, x), true},
		"passphrase, passphrase":     {[]Recipient{word.Recipient()}, []Identity{word.Identity()}, []Recipient{other.Recipient()}, true},
		"passphrase, post-quantum":   {[]Recipient{word.Recipient()}, []Identity{word.Identity()}, recipients(t, pq), false},
		"quantum + word, word opens": {append(recipients(t, pq), word.Recipient()), []Identity{word.Identity()}, recipients(t, pq), true},
	} {
		t.Run(name, func(t *testing.T) {
			files, recipient := make2(t, c.bundle)
			key, err := Unlock(context.Background(), named(files), c.by)
			if err != nil {
				t.Fatal(err)
			}
			more, err := key.Add(c.add)
			var mixed *MixedError
			if c.ok != (err == nil) || err != nil && !errors.As(err, &mixed) {
				t.Fatalf("Add gave %v, want ok = %v", err, c.ok)
			}
			if c.ok {
				opens(t, append(files, more...), recipient, c.by...)
			}
			for _, body := range more {
				h, err := Inspect(body)
				if err != nil || h.Check(key.PostQuantum()) != nil {
					t.Errorf("the new key file: %v, %v", err, h.Check(key.PostQuantum()))
				}
			}
		})
	}
}
