package sign

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestAsOpenSSHRandom: files of random lines. What counts here counts for ssh-keygen too; what ssh-keygen takes is
// refused here only where a rule of this package says so: a kind of line that it does not know ends the reading
// of the whole file. SATCHEL_SOAK=1 tries more.
func TestAsOpenSSHRandom(t *testing.T) {
	t.Parallel()
	keygen := keystest.Program(t, "ssh-keygen")
	dir, n := t.TempDir(), 200
	if os.Getenv("SATCHEL_SOAK") != "" {
		n = 5000
	}
	file := keystest.SSHKey(t, "ed25519", "")
	keys := []string{keystest.Public(t, file), keystest.Public(t, file), alice, keystest.Public(t, keystest.SSHKey(t, "ecdsa", ""))}
	message := writeFile(t, dir, "message", "content\n")
	if out, err := proctest.Command(t, keygen, "-q", "-Y", "sign", "-n", BundleNamespace, "-f", file, message).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(message + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(11, 4))
	both, neither := 0, 0
	for i := range n {
		text := randomSigners(rnd, keys)
		allowed := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(allowed, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := proctest.Command(t, keygen, "-Y", "verify", "-f", allowed, "-I", "a@x.example", "-n", BundleNamespace, "-s", message+".sig", "-Overify-time=20260601120000Z")
		cmd.Stdin = strings.NewReader("content\n")
		theirs := cmd.Run() == nil
		trust, err := LoadTrust([]string{allowed}, 1)
		unknown := err != nil
		ours := false
		if err == nil {
			signed, _ := trust.Check(BundleNamespace, []byte("content\n"), []Signature{{File: "s", Body: body}}, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
			for _, s := range signed {
				for _, l := range s.lists {
					ours = ours || l.has("a@x.example")
				}
			}
		}
		switch {
		case ours && !theirs, theirs && !ours && !unknown:
			t.Errorf("case %d: ssh-keygen %t, here %t\n%s", i, theirs, ours, text)
		case ours:
			both++
		case !theirs:
			neither++
		}
	}
	if both < n/20 || neither < n/20 {
		t.Errorf("of %d files only %d are accepted by both, %d by none: they try nothing", n, both, neither)
	}
}

// randomSigners makes a file of one line to three.
func randomSigners(rnd *rand.Rand, keys []string) (text string) {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	for range 1 + rnd.IntN(3) {
		if rnd.IntN(8) == 0 {
			text += pick("# a comment\n", "\n", "  \t\n")
		}
		who := pick("a@x.example", "*@x.example", "?@x.example", "b@x.example", "*", "A@x.example", "a@x.example,!b@x.example", "*,!a@x.example", "!a@x.example,*", "*@*.example,!*@y.example", `"a@x.example,b"`)
		var opts []string
		for _, o := range []string{
			pick("", "", `namespaces="satchel-bundle"`, `namespaces="satchel-*"`, `namespaces="file,satchel-bundle"`, `Namespaces="*,!satchel-bundle"`, `namespaces="satchel-drive"`),
			pick("", "", "", `valid-after="20260601Z"`, `valid-after="20260601"`, `valid-after="202606011200Z"`, `valid-after="20260601120001Z"`, `VALID-AFTER="20270101Z"`),
			pick("", "", "", `valid-before="20260602Z"`, `valid-before="202606011200Z"`, `valid-before="20260601115959Z"`, `valid-before="20280101"`, `valid-before="20260101"`),
			pick("", "", "", "", "", "", "", "", "", "", "cert-authority", "no-touch-required", `from="x"`),
		} {
			if o != "" {
				opts = append(opts, o)
			}
		}
		rnd.Shuffle(len(opts), func(i, j int) { opts[i], opts[j] = opts[j], opts[i] })
		text += who + pick(" ", "  ", "\t")
		if len(opts) > 0 {
			text += strings.Join(opts, ",") + pick(" ", "\t")
		}
		text += pick(keys...) + pick("", " comment", " a comment, with \"quotes\"") + pick("\n", "\r\n")
	}
	return text
}
