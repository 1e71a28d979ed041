package text_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci/text"
)

func ExampleCount() {
	fmt.Println(text.Count(1, "image", "images"), "and", text.Count(0, "policy", "policies"))
	// Output: 1 image and 0 policies
}

func ExampleSome() {
	fmt.Println(text.Some([]string{"a", "b", "c", "d"}, 2))
	// Output: a, b and 2 more
}

func ExampleOr() {
	fmt.Println(text.Or([]string{"table", "json", "yaml"}))
	// Output: table, json or yaml
}

func ExampleMinute() {
	fmt.Println(text.Minute(time.Date(2026, 11, 29, 3, 4, 59, 0, time.FixedZone("", 3600))))
	// Output: 2026-11-29 02:04 UTC
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ list, want string }{{"", ""}, {"a", "a"}, {"a b", "a and b"}, {"a b c", "a, b and c"}} {
		if got := text.And(strings.Fields(c.list)); got != c.want {
			t.Errorf("And(%q) = %q, want %q", c.list, got, c.want)
		}
	}
	if got := text.Some([]string{"a", "b"}, 2); got != "a, b" {
		t.Errorf("Some = %q", got)
	}
}

func TestSanitize(t *testing.T) {
	t.Parallel()
	hostile := "a\x1b[2J\u202eb\nc\tä\u0085"
	if got := text.Printable(hostile); got != "a\ufffd[2J\ufffdb c ä " {
		t.Errorf("Printable = %q", got)
	}
	if got := text.ASCII(hostile); got != "a?[2J?b?c???" || !text.IsASCII(got) || text.IsASCII(hostile) {
		t.Errorf("ASCII = %q", got)
	}
	if got := text.ASCII(strings.Repeat("x", 5000)); len(got) != text.MaxASCII {
		t.Errorf("ASCII gives %d bytes", len(got))
	}
	if got := text.OneLine(" a \n\n b\t"); got != "a b" {
		t.Errorf("OneLine = %q", got)
	}
	for s, want := range map[string]string{
		" a\n\n b\t": "a; b", "x: errors:\n  line 1: y\n  line 2: z\n": "x: errors: line 1: y; line 2: z", "a\r\nb": "a; b", "\n": "", " a": " a",
	} {
		if got := text.Joined(s); got != want {
			t.Errorf("Joined(%q) = %q", s, got)
		}
	}
	if got := text.Joined("a  b\nc"); got != "a  b; c" {
		t.Errorf("Joined = %q", got)
	}
	if !text.IsPlain([]byte("ä\n\t")) || text.IsPlain([]byte("\x1b")) || text.IsPlain([]byte{0xff}) {
		t.Error("IsPlain is wrong")
	}
	if got := text.Cut("aä", 2); got != "a ..." {
		t.Errorf("Cut = %q", got)
	}
}
