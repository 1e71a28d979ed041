package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func aParity() Parity {
	return Parity{Bundle: id, Seal: sum, Parity: 2, Data: 3, Shard: 64 << 10, Groups: []ParityGroup{
		{Group: 1, Data: []File{{"s-00-00001.age", 5, sum}, {"s-01-00001.age", 6, sum}}, Parity: []File{{"p-001-01.par", 9, sum}, {"p-001-02.par", 9, sum}}},
		{Group: 2, Data: []File{{"s-00-00002.age", 5, sum}}, Parity: []File{{"p-002-01.par", 9, sum}, {"p-002-02.par", 9, sum}}},
	}}
}

func TestParity(t *testing.T) {
	t.Parallel()
	body, err := aParity().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseParity(body)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Marshal(); err != nil || !bytes.Equal(again, body) || len(p.Files()) != 4 {
		t.Errorf("written again: %s; %v", again, err)
	}
	for name, c := range map[string][2]string{
		"another kind":                   {"parity/1", "extras/1"},
		"a bundle ID of a path":          {id, "../../aaaaaaaaaa"},
		"no seal":                        {`"seal": "0a`, `"seal": "a`},
		"no parity files":                {`"parity": 2`, `"parity": 0`},
		"too many parity files":          {`"parity": 2`, `"parity": 100`},
		"too large groups":               {`"data": 3`, `"data": 255`},
		"more segments than it says":     {`"data": 3`, `"data": 1`},
		"small shards":                   {`"shard": 65536`, `"shard": 32768`},
		"odd shards":                     {`"shard": 65536`, `"shard": 65537`},
		"large shards":                   {`"shard": 65536`, `"shard": 134217728`},
		"groups out of order":            {`"group": 2`, `"group": 1`},
		"a group too many":               {`"group": 2`, `"group": 1000`},
		"a segment of two groups":        {"s-00-00002.age", "s-00-00001.age"},
		"segments out of order":          {"s-01-00001.age", "s-00-00001.age"},
		"a segment of a path":            {"s-01-00001.age", "../1-00001.age"},
		"a parity file of another group": {"p-002-01.par", "p-001-01.par"},
		"parity files out of order":      {"p-002-01.par", "p-002-02.par"},
		"no bytes":                       {`"size": 6`, `"size": 0`},
		"more bytes than a file has":     {`"size": 6`, `"size": 4294967296`},
		"a bad sum":                      {"\"sha256\": \"0a", "\"sha256\": \"0"},
		"other spaces":                   {`"group": 1,`, `"group":  1,`},
		"not JSON":                       {"{", "["},
	} {
		changed := strings.Replace(string(body), c[0], c[1], 1)
		if changed == string(body) {
			t.Errorf("%s: nothing was changed", name)
		}
		if p, err := ParseParity([]byte(changed)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: taken as %+v, %v", name, p, err)
		}
	}
}

func TestParityFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]ParityFile{"p-001-01.par": {1, 1}, "p-999-99.par": {999, 99}} {
		if p, ok := ParseParityFile(name); !ok || p != want || p.String() != name || !IsParityFile(name) {
			t.Errorf("%s: %v, %v", name, p, ok)
		}
	}
	for _, name := range []string{"", "p-000-01.par", "p-001-00.par", "p-1-1.par", "p-0001-01.par", "p-001-01.par.tmp", "P-001-01.PAR", "../p-001-01.par"} {
		if p, ok := ParseParityFile(name); ok {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func FuzzParseParity(f *testing.F) {
	body, err := aParity().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseParity(b)
		if err != nil {
			return
		}
		if len(p.Groups) > MaxGroups || len(p.Files()) > MaxGroups*MaxParity {
			t.Fatalf("%d groups", len(p.Groups))
		}
	})
}
