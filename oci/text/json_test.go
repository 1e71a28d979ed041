package text

import (
	"encoding/json"
	"testing"
)

func TestJSON(t *testing.T) {
	said := "a\u009b31m\u202e\x7f\U000e0001b\né"
	b, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	var again string
	out := JSON(b)
	if err := json.Unmarshal(out, &again); err != nil || again != said {
		t.Errorf("%q: %v", again, err)
	}
	if want := `"a\u009b31m\u202e\u007f\udb40\udc01b\né"`; string(out) != want {
		t.Errorf("%s, want %s", out, want)
	}
}
