package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// spooled is a catalog of two packages with their documents.
func spooled(t *testing.T) *Catalog {
	t.Helper()
	s, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(what, s)
	for _, pkg := range []string{"b", "a"} {
		body := `{"schema":"custom","package":"` + pkg + `","b":"<&>","a":1}` + bundleDoc(pkg, "1.0.0") + `{"schema":"nobody"}` + channelDoc(pkg, "stable", `{"name":"`+pkg+`.v1.0.0"}`) + pkgDoc(pkg)
		if err := b.file("configs/"+pkg, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	list, _, err := b.packages("/configs")
	if err != nil {
		t.Fatal(err)
	}
	c := &Catalog{Packages: list, spool: s}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestLines(t *testing.T) {
	c := spooled(t)
	var buf bytes.Buffer
	if err := c.Write(&buf); err != nil {
		t.Fatal(err)
	}
	whole := buf.String()
	got := ""
	all := func(p *Package, docs *Documents) error {
		for {
			m, err := docs.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			got += fmt.Sprintln(p.Name, m.Package, m.Schema, m.Name, len(m.Blob))
			if m.Schema == "custom" && string(m.Blob) != `{"a":1,"b":"<&>","package":"`+p.Name+`","schema":"custom"}`+"\n" {
				t.Errorf("got %s", m.Blob)
			}
		}
	}
	none := func(*Package, *Documents) error { return nil }
	if err := Read(strings.NewReader(whole), all); err != nil {
		t.Fatal(err)
	}
	want := "  nobody  20\n  nobody  20\n" // of no package
	for _, p := range []string{"a", "b"} {
		want += p + " " + p + " olm.package " + p + " 62\n" + p + " " + p + " olm.channel stable 87\n" + p + " " + p + " olm.bundle " + p + ".v1.0.0 189\n" + p + " " + p + " custom  50\n"
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for n := range len(whole) - 1 {
		for _, visit := range []func(*Package, *Documents) error{all, none} {
			if err := Read(strings.NewReader(whole[:n]), visit); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("cut after %d bytes: got %v", n, err)
			}
		}
	}
	for _, in := range []string{whole + "{}", strings.Replace(whole, fmt.Sprintf(`"format":%d`, Format), `"format":2`, 1), "[]\n", "\x00\n", strings.Replace(whole, `"size":1`, `"size":9`, 1)} {
		if err := Read(strings.NewReader(in), all); err == nil {
			t.Errorf("%q is read", in)
		}
	}
	stop := errors.New("enough")
	if err := Read(strings.NewReader(whole), func(*Package, *Documents) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if err := c.Write(full{}); err == nil {
		t.Error("a full disk goes unseen")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
