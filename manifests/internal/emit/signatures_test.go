package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
)

func TestSigstoreNotes(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Images: []emitImage{
		{Origin: origin.Release, Source: origin.SigstoreRepository + ":4.21.0-x86_64", Path: origin.PathPayload, Tags: []string{"4.21.0-x86_64"}},
		{Origin: origin.Release, Source: "quay.io/ocp/rel:4.21.0-x86_64", Path: origin.PathPayload, Tags: []string{"4.21.0-x86_64"}},
	}}
	inv, _ := in.parse(t)
	if notes := origin.SigstoreNotes(inv); len(notes) != 1 || !strings.Contains(notes[0], "of the release 4.21.0-x86_64:") {
		t.Errorf("notes %q", notes)
	}
	root := inv.Images[0].Root.Digest
	tag := "sha256-" + root.Encoded() + ".sig"
	in.Images = append(in.Images, emitImage{Origin: origin.Release, Source: origin.SigstoreRepository + ":" + tag, Path: origin.PathPayload, Tags: []string{tag}, Subject: root})
	inv, _ = in.parse(t)
	if notes := origin.SigstoreNotes(inv); len(notes) != 0 {
		t.Errorf("notes %q, and it is signed", notes)
	}
}
