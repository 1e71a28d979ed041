package catalog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// written is what is kept of a catalog of these files.
func written(t *testing.T, files map[string]string) []byte {
	t.Helper()
	content, in := ocitest.New(1), map[string][]byte{}
	for name, body := range files {
		in[name] = []byte(body)
	}
	root, err := content.Catalog("amd64", in)
	if err != nil {
		t.Fatal(err)
	}
	image, err := layers.Pick(t.Context(), content, root)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(t.Context(), what, content, image, "/configs", nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := errors.Join(c.Write(&out), c.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// filtered writes the packages of a catalog as request has them.
func filtered(t *testing.T, lines []byte, request func(*Package) (filter.Request, bool)) (files fstest.MapFS, lost []string) {
	t.Helper()
	results := map[string]*filter.Result{}
	read := func(visit func(*Package, *Documents) error) {
		if err := Read(bytes.NewReader(lines), visit); err != nil {
			t.Fatal(err)
		}
	}
	read(func(p *Package, docs *Documents) error {
		req, ok := request(p)
		if !ok || p.Name == "" {
			return nil
		}
		cfg, err := docs.Config()
		if err != nil {
			return err
		}
		if results[p.Name], err = filter.Package(cfg, req); err != nil {
			lost = append(lost, p.Name+": "+err.Error())
			delete(results, p.Name)
		}
		return nil
	})
	files = fstest.MapFS{}
	read(func(p *Package, docs *Documents) error {
		r, name := results[p.Name], p.Name+"/catalog.json"
		if p.Name == "" {
			r, name = &filter.Result{}, "others.json"
		}
		if r == nil {
			return nil
		}
		var out bytes.Buffer
		err := docs.WriteFiltered(&out, &r.Config, func(m *declcfg.Meta) (bool, error) {
			return m.Schema == declcfg.SchemaBundle || filter.RefusedByOldest(m.Blob) == "", nil
		})
		files[name] = &fstest.MapFile{Data: out.Bytes()}
		return err
	})
	return files, lost
}

// ways are requests of many kinds of a package, by the versions that it has.
func ways(p *Package) []filter.Request {
	list := []filter.Request{{}, {Full: true}}
	for _, c := range p.Channels {
		list = append(list, filter.Request{Channels: []filter.Channel{{Name: c.Name}}}, filter.Request{Full: true, Channels: []filter.Channel{{Name: c.Name}}})
		n := len(c.Entries)
		for _, e := range []string{c.Entries[0].Name, c.Entries[n/2].Name, c.Entries[n-1].Name} {
			if p.Bundle(e) == nil {
				continue // of a catalog that is not whole
			}
			v := p.Bundle(e).FullVersion()
			for _, r := range []filter.Range{{Min: v}, {Max: v}, {Min: v, Max: v}} {
				list = append(list,
					filter.Request{Channels: []filter.Channel{{Name: c.Name, Range: r}}},
					filter.Request{Range: r, Default: c.Name})
			}
			list = append(list, filter.Request{Also: []string{e}}, filter.Request{Also: []string{e}, Only: true})
		}
	}
	return list
}

// TestRealFiltered filters real catalogs in many ways: whatever is written is a
// catalog for operator-registry, whose bundles are those of the whole one.
func TestRealFiltered(t *testing.T) {
	needReal(t)
	list := slices.Clone(realFiles)
	list = append(list, "redhat", "odd/json-in-yaml-file", "custom-schema")
	for _, parent := range realParents {
		dirs, err := os.ReadDir(filepath.Join(realData, parent))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			list = append(list, parent+"/"+d.Name())
		}
	}
	results := 0
	for _, path := range list {
		t.Run(path, func(t *testing.T) {
			files := realTree(t, path)
			lines, whole := written(t, files), theirs(t, files)
			_, broken := declcfg.ConvertToModel(*whole)
			var names []string
			if err := Read(bytes.NewReader(lines), func(p *Package, _ *Documents) error {
				if p.Name != "" {
					names = append(names, p.Name)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				for n, step := 0, 1; ; n += step {
					some := 0
					var req filter.Request
					out, lost := filtered(t, lines, func(p *Package) (filter.Request, bool) {
						if p.Name != name || n >= len(ways(p)) {
							return req, false
						}
						some, req = 1, ways(p)[n]
						if os.Getenv("SATCHEL_SOAK") == "" && n >= 8 {
							step = 1 + len(ways(p))/16
						}
						return req, true
					})
					if some == 0 {
						break
					}
					if len(lost) > 0 {
						if broken == nil {
							t.Errorf("%s, %+v: %s", name, req, lost)
						}
						continue
					}
					results++
					checkFiltered(t, out, whole, req)
				}
			}
		})
	}
	if results < 200 {
		t.Errorf("only %d results", results)
	}
}

func checkFiltered(t *testing.T, out fstest.MapFS, whole *declcfg.DeclarativeConfig, req filter.Request) {
	t.Helper()
	cfg, err := declcfg.LoadFS(t.Context(), out)
	if err != nil {
		t.Fatalf("%+v: %v", req, err)
	}
	for _, b := range cfg.Bundles {
		i := slices.IndexFunc(whole.Bundles, func(w declcfg.Bundle) bool { return w.Package == b.Package && w.Name == b.Name })
		var got, want bytes.Buffer
		one := func(buf *bytes.Buffer, b declcfg.Bundle) {
			if err := declcfg.WriteJSON(declcfg.DeclarativeConfig{Bundles: []declcfg.Bundle{b}}, buf); err != nil {
				t.Fatal(err)
			}
		}
		one(&got, b)
		one(&want, whole.Bundles[i])
		if got.String() != want.String() {
			t.Errorf("%+v: bundle %s is another", req, b.Name)
		}
	}
	if _, err := declcfg.ConvertToModel(*cfg); err != nil {
		t.Errorf("%+v: %v", req, err)
	}
	if len(cfg.Bundles) == 0 || req.Min != "" && req.Min == req.Max && strings.Contains(req.Min, "+") && len(cfg.Bundles) != 1 {
		t.Errorf("%+v: %d bundles", req, len(cfg.Bundles))
	}
}

// TestWriteFiltered keeps the bytes of bundles and of other schemas, and those of
// large properties.
func TestWriteFiltered(t *testing.T) {
	large := `{"schema":"olm.bundle","package":"a","name":"a.v2.0.0","image":"example.com/a:2","properties":[{"type":"olm.package","value":{"packageName":"a","version":"2.0.0"}},{"type":"olm.csv.metadata","value":{"description":"` + many("<x>", 40000) + `"}}],"extra":1}`
	lines := written(t, map[string]string{"x": pkgDoc("a") + channelDoc("a", "stable", `{"name":"a.v2.0.0","replaces":"a.v1.0.0"}`, `{"name":"a.v1.0.0"}`) + bundleDoc("a", "1.0.0") + large +
		`{"schema":"olm.deprecations","package":"a","entries":[{"reference":{"schema":"olm.bundle","name":"a.v1.0.0"},"message":"old"}]}{"schema":"z","package":"a","v":[1]}{"schema":"z"}`})
	out, lost := filtered(t, lines, func(*Package) (filter.Request, bool) { return filter.Request{}, true })
	want := `{"schema":"olm.package","name":"a","defaultChannel":"stable"}
{"schema":"olm.channel","name":"stable","package":"a","entries":[{"name":"a.v2.0.0","replaces":"a.v1.0.0"}]}
{"extra":1,"image":"example.com/a:2","name":"a.v2.0.0","package":"a","properties":[{"type":"olm.package","value":{"packageName":"a","version":"2.0.0"}},{"type":"olm.csv.metadata","value":{"description":"` + many("<x>", 40000) + `"}}],"schema":"olm.bundle"}
{"package":"a","schema":"z","v":[1]}
`
	if got := string(out["a/catalog.json"].Data); got != want || lost != nil {
		t.Errorf("got %.2000s, %q", got, lost)
	}
	if got := string(out["others.json"].Data); got != `{"schema":"z"}`+"\n" {
		t.Errorf("of no package: %s", got)
	}
}
