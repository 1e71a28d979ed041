package filter

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestInstalled(t *testing.T) {
	t.Parallel()
	chain := []string{"a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0", "b: 1.1.0 1.2.0>1.1.0", "c: 2.0.0 3.0.0>2.0.0"}
	for name, tc := range map[string]struct {
		req   Request
		want  string
		notes string
	}{
		"the lowest of two": {Request{Installed: []Installed{{Bundle: "1.2.0"}, {Bundle: "1.1.0"}}}, "a: 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0; b: 1.1.0 1.2.0>1.1.0; c: 3.0.0>2.0.0", ""},
		"the head":          {Request{Installed: []Installed{{Bundle: "2.0.0"}}}, "a: 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 2.0.0 3.0.0>2.0.0", ""},
		"one channel":       {Request{Channels: []Channel{{Name: "a"}}, Installed: []Installed{{Bundle: "1.2.0"}}}, "a: 1.2.0>1.1.0 2.0.0>1.2.0", ""},
		"gone, by version":  {Request{Installed: []Installed{{Bundle: "1.1.5", Version: "1.1.5", Channel: "a"}}}, "a: 1.2.0>1.1.0 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 3.0.0>2.0.0", ""},
		"gone, default":     {Request{Installed: []Installed{{Bundle: "0.9.0", Version: "0.9.0"}}}, "a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 3.0.0>2.0.0", ""},
		"of another":        {Request{Installed: []Installed{{Bundle: "1.0.0", Channel: "b"}}}, "a: 1.0.0 1.1.0>1.0.0 1.2.0>1.1.0 2.0.0>1.2.0; b: 1.1.0 1.2.0>1.1.0; c: 3.0.0>2.0.0", ""},
		"newer than all":    {Request{Installed: []Installed{{Bundle: "9.0.0", Version: "9.0.0", Channel: "c"}}}, "a: 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 3.0.0>2.0.0", `channel "c": 9.0.0, which is installed, is newer than all that it has`},
		"nothing is known":  {Request{Installed: []Installed{{Bundle: "x", Channel: "c"}, {Bundle: "y", Version: "no"}}}, "a: 2.0.0>1.2.0; b: 1.2.0>1.1.0; c: 3.0.0>2.0.0", ""},
		"explicit versions": {Request{Channels: []Channel{{"a", Range{"1.2.0", "1.2.0"}}}, Installed: []Installed{{Bundle: "1.0.0"}}}, "a: 1.2.0>1.1.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Package(made(chain...), tc.req)
			if err != nil {
				t.Fatal(err)
			}
			if got := drawn(&out.Config); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if got := strings.Join(out.Notes, "; "); tc.notes != "" && got != tc.notes {
				t.Errorf("notes: %s", got)
			}
		})
	}
}

// TestInstalledReal carries, of real packages, a way from what is installed: the head of each channel
// that has it can be reached from there by updates that are carried.
func TestInstalledReal(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(8, 13))
	checked := 0
	for _, cfg := range realPackages(t) {
		if len(cfg.Bundles) == 0 {
			continue
		}
		one := cfg.Bundles[random.IntN(len(cfg.Bundles))].Name
		out, err := Package(cfg, Request{Installed: []Installed{{Bundle: one}}, Default: cfg.Packages[0].DefaultChannel})
		if err != nil {
			continue // a package that cannot be filtered has its own tests
		}
		heads, _ := Package(cfg, Request{Default: cfg.Packages[0].DefaultChannel})
		for _, ch := range out.Config.Channels {
			for _, e := range ch.Entries {
				if e.Name == one {
					checked++
				}
			}
		}
		if heads != nil && len(out.Bundles) < len(heads.Bundles) {
			t.Errorf("%s from %s: %d bundles, and %d without", cfg.Packages[0].Name, one, len(out.Bundles), len(heads.Bundles))
		}
		for _, ch := range cfg.Channels {
			for _, e := range ch.Entries {
				if e.Name != one {
					continue
				}
				if !has(out, ch.Name, one) && !strings.Contains(strings.Join(out.Stranded, " "), one) {
					t.Errorf("%s: %s is not in channel %s", cfg.Packages[0].Name, one, ch.Name)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d channels were looked at", checked)
	}
}

// has reports whether a channel of a result has a bundle.
func has(out *Result, channel, bundle string) bool {
	for _, ch := range out.Config.Channels {
		for _, e := range ch.Entries {
			if ch.Name == channel && e.Name == bundle {
				return true
			}
		}
	}
	return false
}
