package keys

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age/armor"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// asking is the file of a passphrase that asks for a work factor.
func asking(factor int) []byte {
	return fmt.Appendf(nil, "age-encryption.org/v1\n-> scrypt %s %d\n%s\n--- %s\n%s",
		strings.Repeat("A", 22), factor, strings.Repeat("A", 43), strings.Repeat("A", 43), make([]byte, 48))
}

// taken is how much memory f takes, what it gives back meanwhile included.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestGreedyScrypt: what asks for more memory than is accepted is refused by name, before any is
// taken and before anybody is asked for a passphrase: key files, and identity files of a person.
func TestGreedyScrypt(t *testing.T) {
	files, _ := make2(t, recipients(t, generate(t, false)))
	for factor := maxWorkFactor + 1; factor <= 64; factor++ {
		file := asking(factor)
		var armored bytes.Buffer
		w := armor.NewWriter(&armored)
		if _, err := w.Write(file); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprintf("asks for scrypt work factor %d, and at most ", factor)
		check := func(what string, opened func() error) {
			t.Helper()
			var err error
			if n := taken(func() { err = opened() }); n > 1<<20 || err == nil || !strings.Contains(err.Error(), said) {
				t.Errorf("%s, work factor %d: %d bytes, %v", what, factor, n, err)
			}
		}
		check("a key file", func() error {
			_, err := Unlock(t.Context(), []File{{Name: "key-1.age", Body: file}}, []Identity{known(t, "a word").Identity()})
			return err
		})
		check("its header", func() error { _, err := Inspect(file); return err })
		for what, body := range map[string]string{"binary": string(file), "armored": armored.String()} {
			if factor <= maxOwnIdentity { // as age -p writes it
				continue
			}
			who := answers{list: []string{"a word"}}
			locked := identities(t, keystest.Write(t, body), who.ui())
			check("an identity file, "+what, func() error { _, err := Unlock(t.Context(), named(files), locked); return err })
			if len(who.asked) > 0 {
				t.Errorf("%s: asked %q", what, who.asked)
			}
		}
	}
}

// FuzzKeyFile has key files and identity files of any bytes. They are tried with a passphrase and
// a key, and take no more memory than the largest work factor that is accepted.
func FuzzKeyFile(f *testing.F) {
	files, _, err := Make(recipients(f, generate(f, false)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files[0])
	f.Add(asking(1))
	f.Add(asking(22))
	f.Add([]byte("# a comment\nAGE-SECRET-KEY-1QQQ\n"))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"))
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nYWdl\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := Inspect(body)
		if err == nil {
			if len(h.types) == 0 || h.Check(false) == nil && h.Check(true) == nil && len(h.Ways()) == 0 {
				t.Errorf("a header without a way to open it: %+v", h)
			}
			return // scrypt would take long
		}
		if _, err := Unlock(t.Context(), []File{{Name: "key-1.age", Body: body}}, []Identity{known(t, "a word").Identity()}); err == nil {
			t.Error("a key file that cannot be read was opened")
		}
		ids, err := ReadIdentities("a file", bytes.NewReader(body), nil, func() ([]byte, error) { return nil, io.EOF })
		if err == nil && len(ids) == 0 {
			t.Error("an identity file without an identity")
		}
	})
}
