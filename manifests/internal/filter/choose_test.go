package filter

import (
	"strings"
	"testing"
)

// TestChoose takes each version for itself, whatever a catalog of them would be worth.
func TestChoose(t *testing.T) {
	t.Parallel()
	chain := []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0", "b: 1.1.0 1.2.0>1.1.0", "c: 2.0.0 3.0.0>2.0.0"}
	for name, tc := range map[string]struct {
		channels []string
		req      Request
		want     string
	}{
		"all":               {chain, Request{}, "1.0.0 1.1.0 1.2.0 2.0.0 3.0.0"},
		"full":              {chain, Request{Full: true}, "1.0.0 1.1.0 1.2.0 2.0.0 3.0.0"},
		"a channel":         {chain, Request{Channels: []Channel{{Name: "c"}}}, "2.0.0 3.0.0"},
		"a range of it":     {chain, Request{Channels: []Channel{{"a", Range{"1.1.0", "1.2.0"}}}}, "1.1.0 1.2.0"},
		"of all":            {chain, Request{Range: Range{"", "1.1.0"}}, "1.0.0 1.1.0"},
		"none in a range":   {chain, Request{Range: Range{"7.0.0", ""}}, ""},
		"no such channel":   {chain, Request{Channels: []Channel{{Name: "z"}}}, ""},
		"without the joint": {[]string{"a: 1.0.0 1.0.1 1.1.0>1.0.0,1.0.1"}, Request{Range: Range{"", "1.0.1"}}, "1.0.0 1.0.1"},
	} {
		got, err := Choose(made(tc.channels...), tc.req)
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tc.want)
		}
	}
	if _, err := Choose(made(chain...), Request{Range: Range{"2.0.0", "1.0.0"}}); err == nil || !strings.Contains(err.Error(), "higher than maxVersion") {
		t.Errorf("upside down: %v", err)
	}
}
