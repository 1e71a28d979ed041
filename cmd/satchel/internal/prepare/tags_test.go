package prepare_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// TestAbsentTag names complete references of the tags that a repository has, and asks for
// each repository's tags once.
func TestAbsentTag(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 52)
	c := b.Content
	img := c.Image(false, c.Layer(1000, ocitest.LayerTar))
	for _, tag := range []string{"4.16.3-x86_64", "4.16.3-aarch64", "4.16.4-x86_64", "sha256-" + img.Digest.Encoded() + ".sig"} {
		b.Push(img, "release/payload", tag)
	}
	b.Push(img, "team/few", "blue")
	for i := range 30 {
		b.Push(img, "team/many", fmt.Sprintf("build-%d", i))
	}
	lists := map[string]int{}
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			lists[r.URL.Path]++
		}
		return false
	}
	host := b.Proxy.Host
	o := b.Prepare(jobtest.Images(host+"/release/payload:4.16.3", host+"/release/payload:4.16.4", host+"/team/few:green", host+"/team/many:green", host+"/none:green"))
	o.ParallelImages = 1
	err := prepare.New(o).Prepare(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for ref, want := range map[string]string{
		"release/payload:4.16.3": "; did you mean " + host + "/release/payload:4.16.3-aarch64 or " + host + "/release/payload:4.16.3-x86_64?",
		"release/payload:4.16.4": "; did you mean " + host + "/release/payload:4.16.4-x86_64?",
		"team/few:green":         "; the tags of " + host + "/team/few are blue",
		"team/many:green":        "",
		"none:green":             "",
	} {
		found := false
		for line := range strings.Lines(err.Error()) {
			if line = strings.TrimSpace(line); strings.Contains(line, host+"/"+ref+":") {
				found = true
				if want == "" && (strings.Contains(line, "did you mean") || strings.Contains(line, "the tags of")) || !strings.HasSuffix(line, want) {
					t.Errorf("%s: %s", ref, line)
				}
			}
		}
		if !found {
			t.Errorf("nothing about %s in %v", ref, err)
		}
	}
	tag, ok := errors.AsType[*prepare.TagError](err)
	if !ok || !tag.Permanent() || tag.Hint() == "" {
		t.Errorf("the error is %#v", tag)
	}
	if answer, ok := errors.AsType[*transport.RegistryError](tag); !ok || answer.Status != http.StatusNotFound {
		t.Errorf("what the registry answered is %v", answer)
	}
	if len(lists) == 0 {
		t.Error("no list was asked for")
	}
	for path, n := range lists {
		if n != 1 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
}
