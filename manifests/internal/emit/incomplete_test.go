package emit

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

func TestIncompleteOf(t *testing.T) {
	t.Parallel()
	gap := func(source string, why ...string) oci.Gap {
		ref, err := oci.ParseRef(source)
		if err != nil {
			t.Fatal(err)
		}
		return oci.Gap{Image: oci.Image{Origin: origin.Release, Source: ref, Reasons: reasons(why...)}, Err: errors.New("gone")}
	}
	signature := gap("q.io/art:sha256-x.sig", "release 4.18.1 x86_64: etcd")
	signature.Image.Subject = oci.Digest([]byte("x"))
	both := gap("q.io/art:both", "additionalImages", "operator acme 1.2.3: related image", "release 4.18.1 x86_64: cli", "release 4.18.1 x86_64: tools")
	gaps := []oci.Gap{
		both, gap("q.io/art:a", "release 4.18.1 x86_64: etcd"), gap("q.io/bundle:b", "operator acme 1.2.3: bundle"), gap("q.io/other:b", "operator acme 2.0.0: bundle"),
		gap("q.io/rel:v", "platform.release"), gap("q.io/rel:v2", "release 4.18.2 x86_64"), gap("q.io/catalog:v", "catalog"),
		gap("q.io/chart/image:v", "chart podinfo 5.0.0: Deployment podinfo"), gap("q.io/app:v", "additionalImages"), gap("q.io/pod:v", "pod a/b c"), signature, both,
	}
	var got []string
	list := origin.IncompleteOf(gaps)
	for _, inc := range list {
		got = append(got, inc.String())
	}
	want := []string{
		"release 4.18.1 x86_64 is incomplete: it lacks 2 images, q.io/art:a, q.io/art:both",
		"release 4.18.2 x86_64 is incomplete: it lacks 1 image, q.io/rel:v2",
		"release q.io/rel:v is incomplete: it lacks 1 image, q.io/rel:v",
		"catalog q.io/catalog:v is incomplete: it lacks 1 image, q.io/catalog:v",
		"operator acme 1.2.3 is incomplete: it lacks 2 images, q.io/art:both, q.io/bundle:b",
		"operator acme 2.0.0 is incomplete: it lacks 1 image, q.io/other:b",
		"chart podinfo 5.0.0 is incomplete: it lacks 1 image, q.io/chart/image:v",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if parts := list[0].Parts(both); parts != "cli, tools" {
		t.Errorf("parts %q", parts)
	}
	for i, j := 0, len(gaps)-1; i < j; i, j = i+1, j-1 {
		gaps[i], gaps[j] = gaps[j], gaps[i]
	}
	if again := origin.IncompleteOf(gaps); !reflect.DeepEqual(again, list) {
		t.Errorf("in another order: %v", again)
	}

	files, _, err := Emit(&oci.Inventory{Gaps: gaps}, site.Site{Mirror: oci.Mirror{Host: "m.example"}})
	if err != nil {
		t.Fatal(err)
	}
	var page string
	for _, f := range files {
		if f.Name == handover.FileApply {
			page = string(f.Body)
		}
	}
	for _, want := range []string{"\nThe release 4.18.1 x86_64 is incomplete. It lacks:\n\n- `q.io/art:a` (etcd): gone\n- `q.io/art:both` (cli, tools): gone\n",
		"\nNot a part of any of these:\n\n- `q.io/app:v` (additionalImages): gone\n", "- `q.io/art:sha256-x.sig` (release 4.18.1 x86_64: etcd): gone\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("APPLY.md does not have %s:\n%s", want, page)
		}
	}
}
