package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestDiff shows what the second week would change: in the mirror, over the receipt of the first
// week, and over its bundle; and that a dry run prints the same.
func TestDiff(t *testing.T) {
	t.Parallel()
	source, mirror, w := registrytest.StartOlareg(t), registrytest.StartOlareg(t), newWorld(t)
	c, out := ocitest.New(18), filepath.Join(w.dir, "out")
	old, now := c.Image(true, c.Layer(1000, ocitest.LayerGzip)), c.Image(true, c.Layer(2000, ocitest.LayerGzip))
	w.images(source.Host + "/team/app:v1")
	first, second := w.drive+"1", w.drive+"2"
	push(t, c, old, source.Host, "team/app", "v1")
	w.drive = first
	w.run(w.pack()...).want(exitOK)
	w.run(w.unpack(mirror.Host, "--output-dir", out)...).want(exitOK)
	push(t, c, now, source.Host, "team/app", "v1")
	w.drive = second
	w.run(w.pack()...).want(exitOK)

	to := []string{"--to", mirror.Host, "--tls-verify=false"}
	diff := []string{"diff", "-i", w.key, second}
	for kind, more := range map[string][]string{changes.Mirror: to, changes.Receipt: {"--since", filepath.Join(out, "receipt.json")}, changes.Bundle: {first}} {
		r := w.run(append(append(diff[:len(diff):len(diff)], more...), "-o", "json")...).want(exitOK)
		var got changes.Changes
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatalf("%v\n%s", err, r.stdout)
		}
		if got.Against.Kind != kind || len(got.Tags) != 1 || got.Tags[0].Old.Digest != old.Digest || got.Tags[0].New.Digest != now.Digest || !got.Tags[0].Expected || len(got.New) != 1 {
			t.Errorf("%s: %s", kind, r.stdout)
		}
	}
	table := w.run(append(diff[:len(diff):len(diff)], to...)...).want(exitOK).stdout
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("kind: List\napiVersion: v1\nitems: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(w.unpack(mirror.Host, "--dry-run", "--present-rules", rules)...).want(exitOK)
	w.run(w.unpack(mirror.Host, "--present-rules", rules)...).want(exitUsage).says("there is no --output-dir")
	if dry := w.run(w.unpack(mirror.Host, "--dry-run")...).want(exitOK).stdout; dry != table || !strings.Contains(table, "team/app:v1") || !strings.Contains(table, "tags         1 moves, 0 stay") {
		t.Errorf("a dry run:\n%s\ndiff:\n%s", dry, table)
	}
	w.run(diff...).want(exitUsage)
	w.run(append(append(diff[:len(diff):len(diff)], to...), first)...).want(exitUsage)
	w.run(append(diff[:len(diff):len(diff)], "--since", w.key)...).want(exitFailed)
	body, err := os.ReadFile(filepath.Join(out, "receipt.json"))
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(w.dir, "newer.json")
	if err := os.WriteFile(newer, bytes.Replace(body, []byte("receipt/1"), []byte("receipt/2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(append(diff[:len(diff):len(diff)], "--since", newer)...).want(exitUsage).says(newer + " was written by a newer satchel")
	r, err := receipt.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	r.State, r.Closes = receipt.Intent, nil
	if body, err = r.Encode(); err == nil {
		err = os.WriteFile(newer, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.run(append(diff[:len(diff):len(diff)], "--since", newer)...).want(exitUsage).says("it is an intent")
	w.run(w.unpack(mirror.Host, "--wide")...).want(exitUsage)
}
