package updatepath

import (
	"fmt"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
)

// release reads "4.14.1 < 4.13.1 4.13.2!Slow" (a graph), "4.14.1 : 4.13.1" (what the release
// says), and "4.14.1" alone.
func release(s string) Release {
	v, rest, _ := strings.Cut(s, " ")
	r := Release{Version: semver.MustParse(v)}
	kind, list, _ := strings.Cut(rest, " ")
	for _, from := range strings.Fields(list) {
		from, risk, risky := strings.Cut(from, "!")
		e := Edge{From: semver.MustParse(from)}
		if risky {
			e.Risks = []string{risk}
		}
		if kind == "<" {
			r.Graph = append(r.Graph, e)
		} else {
			r.Previous = append(r.Previous, from)
		}
	}
	return r
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, running, carried, want, apart string }{
		{"nothing", "4.14.1", "", "", ""},
		{"nothing newer", "4.14.1", "4.14.1; 4.13.9", "", ""},
		{"by the graph", "4.14.1", "4.14.5 < 4.14.1; 4.15.3 < 4.14.5; 4.16.1 < 4.15.3", "4.14.5 4.15.3 4.16.1", ""},
		{"the fewest", "4.14.1", "4.14.2 < 4.14.1; 4.14.3 < 4.14.1 4.14.2; 4.14.4 < 4.14.1 4.14.3", "4.14.4", ""},
		{"around a risk", "4.14.1", "4.14.3 < 4.14.1; 4.15.3 < 4.14.1!Slow 4.14.3", "4.14.3 4.15.3", ""},
		{"by a risk", "4.14.1", "4.15.3 < 4.14.1!Slow", "4.15.3!Slow", ""},
		{"a release that no update leads to", "4.14.1", "4.14.3 < 4.14.1; 4.16.1 < 4.15.9", "4.14.3", "4.16.1"},
		{"no graph knows the running release", "4.14.1-ec.1", "4.14.2 < 4.14.1; 4.14.3 : 4.14.1-ec.1", "4.14.3?", ""},
		{"a known problem, and no graph of the detour", "4.17.5", "4.17.9 : 4.17.5; 4.18.3 < 4.17.5!Slow 4.17.9", "4.18.3!Slow", ""},
		{"no graph of the only way", "4.17.5", "4.17.9 : 4.17.5; 4.18.3 < 4.17.9", "4.17.9? 4.18.3", ""},
		{"by what the releases say", "4.14.1", "4.14.5 : 4.14.1; 4.15.3 : 4.14.5 4.14.1", "4.15.3", ""},
		{"no guess", "4.14.1", "4.14.5; 4.15.3; 4.16.1", "", "4.14.5 4.15.3 4.16.1"},
		{"as far as it is known", "4.14.1", "4.14.5 : 4.14.1; 4.15.3", "4.14.5", "4.15.3"},
		{"4.22 to 5.1", "4.22.1", "5.0.2 : 4.22.1; 5.1.0 : 5.0.2 4.23.2; 4.23.2 : 4.22.1", "5.0.2 5.1.0", ""},
		{"OKD", "4.19.0-okd-scos.9", "4.19.0-okd-scos.16 : 4.19.0-okd-scos.9; 4.20.0-okd-scos.3 : 4.19.0-okd-scos.16; 4.19.0-okd-scos.2", "4.19.0-okd-scos.16 4.20.0-okd-scos.3", ""},
		{"OKD, from a candidate", "4.20.0-okd-scos.ec.14", "4.20.0-okd-scos.3 : 4.20.0-okd-scos.ec.14; 4.20.0-okd-scos.ec.2", "4.20.0-okd-scos.3", ""},
		{"OKD, not back to a candidate", "4.20.0-okd-scos.3", "4.20.0-okd-scos.ec.14 : 4.20.0-okd-scos.3", "", ""},
	} {
		var list []Release
		for s := range strings.SplitSeq(tc.carried, ";") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, release(s))
			}
		}
		steps, apart := Find(semver.MustParse(tc.running), list)
		var got, left []string
		at := tc.running
		for _, s := range steps {
			word := s.To.String()
			if len(s.Risks) > 0 {
				word += "!" + strings.Join(s.Risks, ",")
			}
			if s.Unasked {
				word += "?"
			}
			if s.From.String() != at {
				t.Errorf("%s: a step from %s, after %s", tc.name, s.From, at)
			}
			got, at = append(got, word), s.To.String()
		}
		for _, v := range apart {
			left = append(left, v.String())
		}
		if strings.Join(got, " ") != tc.want || strings.Join(left, " ") != tc.apart {
			t.Errorf("%s: got %v, apart %v", tc.name, got, left)
		}
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"4.14.1 4.14.5":                      "[4.14.5]",
		"4.14.1 4.15.5":                      "[4.15.5]",
		"4.14.1 4.14.5 4.15.5 4.15.6 4.16.1": "[4.14.5] [4.15.5 4.15.6 4.16.1]waits",
		"4.14.1 4.15.5 4.16.1 4.16.2 4.17.1": "[4.15.5 4.16.1 4.16.2]waits [4.17.1]",
		"4.13.1 4.14.5 4.15.5 4.16.1":        "[4.14.5] [4.15.5 4.16.1]waits",
		"4.13.1 4.14.5 4.15.5":               "[4.14.5 4.15.5]",
		"4.14.1 4.15.5 4.16.1 4.17.1 4.18.1": "[4.15.5 4.16.1]waits [4.17.1 4.18.1]waits",
		"4.22.1 5.0.1 5.1.1":                 "[5.0.1 5.1.1]",
		"0.0.0 4.14.5 4.15.5 4.16.1":         "[4.14.5] [4.15.5 4.16.1]waits",
		"4.14.1-okd 4.14.5-okd":              "[4.14.5-okd]",
		"4.15.1 4.16.5 4.16.6 4.17.1 4.17.2": "[4.16.5 4.16.6 4.17.1 4.17.2]",
	} {
		versions := strings.Fields(path)
		var steps []Step
		for i, v := range versions[1:] {
			steps = append(steps, Step{From: semver.MustParse(versions[i]), To: semver.MustParse(v)})
		}
		var got []string
		for _, s := range Stages(steps) {
			var to []string
			for _, step := range s.Steps {
				to = append(to, step.To.String())
			}
			word := fmt.Sprint(to)
			if s.Waits {
				word += "waits"
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %s, want %s", path, strings.Join(got, " "), want)
		}
	}
}

func TestGates(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"ack-4.9-a": "4.9", "ack-5.0-a": "5.0", "ack-4.12-kube-126-vsphere-migration-in-4.14": "4.12", "ack-gateway-api-management": "", "ack-4.x-a": "", "ack-4.9-": "", "a": "", "ack-4.99999999999999999999-a": ""} {
		if m, ok := GateOf(name); ok != (want != "") || ok && m.String() != want {
			t.Errorf("%s: got %s, %v", name, m, ok)
		}
	}
	for _, g := range RunTimeGates {
		if _, ok := GateOf(g.Name); !ok || g.When == "" {
			t.Errorf("%+v", g)
		}
	}
}
