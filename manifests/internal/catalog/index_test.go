package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestHead(t *testing.T) {
	tests := []struct{ entries, head, want string }{
		{"a", "a", ""},
		{"c>b b>a a", "c", ""},
		{"a b>a c>b", "c", ""},
		{"c>a,b b>a a", "c", ""},
		{"c,a,b b a", "c", ""},
		{"b>elsewhere", "b", ""},
		{"", "", "it has no head: each of its 0 entries is replaced or skipped by another"},
		{"a>b b>a", "", "it has no head: each of its 2 entries is replaced or skipped by another"},
		{"b>a c>a a", "", "it has several heads, which nothing replaces or skips: b, c"},
		{"l k j i h g f e d c b a", "", "it has several heads, which nothing replaces or skips: a, b, c, d, e, f, g, h, i, j and 2 more"},
	}
	for _, tc := range tests {
		var c Channel
		for _, s := range strings.Fields(tc.entries) {
			list := strings.Split(s, ",") // NAME[>REPLACES][,SKIPS...]
			name, replaces, _ := strings.Cut(list[0], ">")
			c.Entries = append(c.Entries, Entry{Name: name, Replaces: replaces, Skips: list[1:]})
		}
		head, err := c.Head()
		if head != tc.head || tc.want != "" && fmt.Sprint(err) != tc.want || tc.want == "" && err != nil {
			t.Errorf("%q: got %q, %v", tc.entries, head, err)
		}
	}
}

func TestNearest(t *testing.T) {
	list := []string{"prometheus", "prometheus2", "promotheus", "prometeus", "etcd", "a", "b", "3scale-operator", "aws-load-balancer-operator", "aws-efs-csi-driver-operator"}
	tests := []struct{ name, want string }{
		{"prometheuss", "prometheus prometheus2 prometeus"},
		{"etc", "etcd"},
		{"etdc", "etcd"},
		{"3scale", "3scale-operator"},
		{"aws", "aws-efs-csi-driver-operator aws-load-balancer-operator"},
		{"etcdd", "etcd"},
		{"x", ""},
		{"aws-load-balancer", "aws-load-balancer-operator"},
		{"aws-load-balncer-operater", "aws-load-balancer-operator"},
		{"", ""},
		{strings.Repeat("x", 1000), ""},
	}
	for _, tc := range tests {
		if got := strings.Join(Nearest(tc.name, list), " "); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestLines(t *testing.T) {
	list := []Package{{Name: "a", Channels: []Channel{{Name: "c", Entries: []Entry{{Name: "x"}}}}}, {Name: "b", Bundles: []Bundle{{Name: "x", Related: []string{"r"}}}}}
	var buf bytes.Buffer
	if err := Write(&buf, list); err != nil {
		t.Fatal(err)
	}
	whole := buf.String()
	var got []string
	if err := Read(strings.NewReader(whole), func(p *Package) error { got = append(got, p.Name); return nil }); err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("got %q, %v", got, err)
	}
	for n := range len(whole) - 1 {
		if err := Read(strings.NewReader(whole[:n]), func(*Package) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes: got %v", n, err)
		}
	}
	for _, in := range []string{whole + "{}", strings.Replace(whole, `"format":1`, `"format":2`, 1), "[]", "\x00"} {
		if err := Read(strings.NewReader(in), func(*Package) error { return nil }); err == nil {
			t.Errorf("%q is read", in)
		}
	}
	stop := errors.New("enough")
	if err := Read(strings.NewReader(whole), func(*Package) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
	if err := Write(full{}, list); err == nil {
		t.Error("a full disk goes unseen")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
