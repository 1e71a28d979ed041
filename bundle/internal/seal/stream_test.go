package seal

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestStream writes and reads a seal with a stream, and refuses what names none.
func TestStream(t *testing.T) {
	t.Parallel()
	b := bundle
	b.Stream, b.Sequence = &Stream{Ledger: strings.Repeat("0a", 16), Name: "site-1.weekly"}, 12
	body, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseBundle(body); err != nil || !reflect.DeepEqual(back, b) {
		t.Errorf("%+v, %v", back, err)
	}
	want := ` "stream": {
  "ledger": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
  "name": "site-1.weekly"
 },
 "sequence": 12,
`
	if !strings.Contains(string(body), want) {
		t.Errorf("written as %s", body)
	}
	for name, to := range map[string][2]string{
		"a ledger too short":    {"0a0a\"", "0a\""},
		"a ledger in capitals":  {"0a0a\"", "0A0a\""},
		"a name of a path":      {"site-1", "../site"},
		"a name of nothing":     {"site-1.weekly", ""},
		"a name with a space":   {"site-1", "site 1"},
		"control codes":         {"site-1", "\\u001b[2J"},
		"a name that is long":   {"site-1", strings.Repeat("x", 64)},
		"a sequence too high":   {": 12", ": 2147483648"},
		"a sequence of a text":  {": 12", `: "12"`},
		"keys in another order": {want, ` "sequence": 12,` + "\n" + strings.Replace(want, " \"sequence\": 12,\n", "", 1)},
	} {
		text := strings.Replace(string(body), to[0], to[1], 1)
		if name == "keys in another order" { // the order is no fault of the content, and still refused
			text = strings.Replace(text, `  "ledger": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",`+"\n"+`  "name": "site-1.weekly"`, `  "name": "site-1.weekly",`+"\n"+`  "ledger": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"`, 1)
		}
		if _, err := ParseBundle([]byte(text)); text == string(body) || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := Stream{}
	if !b.Stream.Same(*b.Stream) || b.Stream.Same(none) || none.Same(none) || none.Check() == nil {
		t.Error("which streams are the same")
	}
	if got := b.Stream.String() + ", " + none.String(); got != "site-1.weekly (ledger 0a0a0a0a), no stream" {
		t.Error(got)
	}
}
