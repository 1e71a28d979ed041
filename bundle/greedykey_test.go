package bundle

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// TestGreedyKeyFile: a key file that asks for 4 GiB of scrypt is refused by name, whoever put it on
// the drive and made the other files agree with it. So is a second copy of such a key.
func TestGreedyKeyFile(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	const name = "key-1.age"
	greedy := fmt.Appendf(nil, "age-encryption.org/v1\n-> scrypt %s 22\n%s\n--- %s\n%s", strings.Repeat("A", 22), strings.Repeat("A", 43), strings.Repeat("A", 43), make([]byte, 48))
	e, err := seal.ParseExtras(s.whole[seal.ExtrasName])
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range e.Files {
		if f.Name == name {
			e.Files[i] = seal.FileOf(name, greedy)
		}
	}
	pass, err := ReadPassphrase(keystest.Write(t, "a word\n"))
	if err != nil {
		t.Fatal(err)
	}
	copied, sums := seal.CopyDir+"/", string(s.whole[seal.SumsName])
	agree := func(name string, body []byte) {
		for _, n := range []string{name, copied + name} {
			s.put(t, n, body)
			sums = strings.ReplaceAll(sums, seal.Sum(s.whole[n]), seal.Sum(body))
		}
	}
	agree(name, greedy)
	agree(seal.ExtrasName, must(e.Marshal())(t))
	s.put(t, seal.SumsName, []byte(sums))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Open(context.Background(), []string{s.drive}, Wanted{}, []Identity{pass.Identity()})
	got := s.blamed(t)
	s.put(t, name, nil) // its second copy takes its place
	_, rerr := s.repair(t, "", Wanted{})
	runtime.ReadMemStats(&after)
	const said = "asks for scrypt work factor 22, and at most 16 is accepted"
	if err == nil || !strings.Contains(err.Error(), name+" "+said) || !slices.Equal(got, []string{name}) {
		t.Errorf("Open: %v; Verify names %v", err, got)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 128<<20 {
		t.Errorf("%d MiB of memory", n>>20)
	}
	if again := s.blamed(t); !slices.Contains(again, name) {
		t.Errorf("after repair (%v) Verify names %v", rerr, again)
	}
}
