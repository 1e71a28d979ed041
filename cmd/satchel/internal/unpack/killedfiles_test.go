package unpack_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestKilledBetweenFiles ends a run before each file of its receipt, on the host and in the output
// directory: the mirror does not have the receipt then. The next run has all of them, whole.
// Requests to the mirror are cut in TestKilledAnywhere.
func TestKilledBetweenFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, 972)
	keys, _ := twoSigners(t)
	// In the order in which they are written; then what a crash may leave in addition.
	steps := []string{"receipts/*.json.sig", "receipts/*.json", "intents", "out/receipt.json", "out/receipt.json.sig", "none"}
	for i, step := range steps {
		left := []string{""}
		if step == "receipts/*.json" {
			left = append(left, "a temporary file", "half a file")
		}
		for _, more := range left {
			t.Run(step+" "+more, func(t *testing.T) {
				t.Parallel()
				k := killedAt{site: s, state: t.TempDir(), out: filepath.Join(t.TempDir(), "out")}
				p := registrytest.StartProxy(t, s.mirror.Host)
				o := k.options(t, p, fmt.Sprintf("in%d%s", i, strings.ReplaceAll(more, " ", "")))
				o.Receipts.Signers = keys[:1]
				p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
					last := r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/satchel/receipts/manifests/"+s.reader.ID())
					if last {
						w.WriteHeader(http.StatusForbidden)
					}
					return last
				}
				var refused *receipt.MirrorError
				if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &refused) {
					t.Fatal(err)
				}
				p.Answer = nil
				dir := receipt.HostDir(o.State, o.Site.Mirror)
				k.without(t, dir, steps[i:])
				k.leave(t, dir, more)
				o = k.options(t, p, o.Site.Mirror.Namespace)
				o.Receipts.Signers = keys[:1]
				if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
					t.Fatal(err)
				}
				k.whole(t, o, dir)
				nothingLeft(t, dir)
			})
		}
	}
}

// killedAt is a run that was ended.
type killedAt struct {
	*site
	state, out string
}

func (k killedAt) options(t *testing.T, p *registrytest.Proxy, namespace string) unpack.Options {
	t.Helper()
	o := k.site.options(t, "")
	o.State, o.Site.Mirror = k.state, oci.Mirror{Host: p.Host, Namespace: namespace}
	var err error
	if o.Out, err = outdir.Open(k.out); err != nil {
		t.Fatal(err)
	}
	return o
}

// without removes what was not written yet, and brings back what was not removed yet.
func (k killedAt) without(t *testing.T, dir string, steps []string) {
	t.Helper()
	for _, step := range steps {
		switch {
		case step == "none":
		case step == "intents":
			copies, err := filepath.Glob(filepath.Join(dir, "fetched", "*-intent-*.json"))
			if err != nil || len(copies) != 1 {
				t.Fatal(copies, err)
			}
			body, err := os.ReadFile(copies[0])
			if err == nil {
				err = durable.Write(filepath.Join(dir, "intents", strings.Replace(filepath.Base(copies[0]), "-intent", "", 1)), body)
			}
			if err != nil {
				t.Fatal(err)
			}
		default:
			in := dir
			if rest, out := strings.CutPrefix(step, "out/"); out {
				in, step = k.out, rest
			}
			files, err := filepath.Glob(filepath.Join(in, step))
			if err != nil || len(files) != 1 {
				t.Fatal(step, files, err)
			}
			if err := os.Remove(files[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// leave leaves what a crash may leave.
func (k killedAt) leave(t *testing.T, dir, what string) {
	t.Helper()
	name := ""
	switch what {
	case "a temporary file":
		name = filepath.Join(dir, "receipts", durable.Temp+"123456789")
	case "half a file":
		name = filepath.Join(dir, "receipts", k.reader.ID()+"-0123456789ab.json")
	default:
		return
	}
	if err := os.WriteFile(name, []byte(`{"satchel":"receipt/1","st`), 0o600); err != nil {
		t.Fatal(err)
	}
}

// whole wants the same receipt everywhere.
func (k killedAt) whole(t *testing.T, o unpack.Options, dir string) {
	t.Helper()
	keeper := &receipt.Keeper{Dir: dir}
	h, err := keeper.History(t.Context())
	if err != nil || len(h.Done) == 0 {
		t.Fatalf("%+v, %v", h, err)
	}
	inMirror := receiptsOf(t, o, "", jobtest.Client())
	if len(inMirror.Done) != 1 || len(inMirror.Open()) != 0 || len(inMirror.Done[0].Signatures()) != 1 || marked(load(t, inMirror.Done[0]))[receipt.Found] != 0 {
		t.Errorf("the mirror has %d receipts, %d open intents: %+v", len(inMirror.Done), len(inMirror.Open()), inMirror.Done)
	}
	body, err := inMirror.Done[0].Body()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(k.out, "receipt.json"))
	sig, serr := os.ReadFile(filepath.Join(k.out, "receipt.json.sig"))
	if err := errors.Join(err, serr); err != nil || string(out) != string(body) || string(sig) != string(inMirror.Done[0].Signatures()[0]) {
		t.Errorf("OUTDIR has another receipt, or signature: %v", err)
	}
	onHost, err := os.ReadFile(filepath.Join(dir, "receipts", k.reader.ID()+"-"+inMirror.Done[0].Digest.Encoded()[:12]+".json"))
	if err != nil || string(onHost) != string(body) {
		t.Errorf("this host has another receipt: %v", err)
	}
	if open := h.Open(); len(open) > 0 {
		t.Errorf("intents that are open: %v", open)
	}
}

// nothingLeft wants no intents on this host, also of what is done, and no temporary files: a loss of power may leave
// both, where they mean nothing.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(dir, "*", durable.Temp+"*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if intents, err := filepath.Glob(filepath.Join(dir, "intents", "*.json")); err != nil || len(intents) > 0 {
		t.Errorf("intents: %v, %v", intents, err)
	}
}
