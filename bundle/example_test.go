package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// A bundle is packed from any source of content. Blobs come first, then manifests.
func ExampleWriter() {
	dir, err := os.MkdirTemp("", "bundle-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	drive := filepath.Join(dir, "drive")
	if err := pack(context.Background(), drive, filepath.Join(dir, "state")); err != nil {
		log.Fatal(err)
	}
	report, err := bundle.Verify(context.Background(), []string{drive}, bundle.VerifyOptions{})
	fmt.Println(len(report.Faults), "faults,", err)
	// Output: 0 faults, <nil>
}

func pack(ctx context.Context, drive, state string) error {
	var content oci.Memory
	root, err := content.Artifact("application/vnd.example.notes", []oci.ArtifactFile{{Title: "note.txt", MediaType: "text/plain", Body: []byte("hello\n")}})
	if err != nil {
		return err
	}
	ref, err := oci.ParseRef("registry.example/team/notes:1")
	if err != nil {
		return err
	}
	inv := &oci.Inventory{Images: []oci.Image{{Origin: "additional", Source: ref, Root: root, Tags: []string{"1"}}}}
	_, recipient, err := bundle.GenerateKey(false)
	if err != nil {
		return err
	}
	to, err := bundle.ParseRecipients([]string{recipient}, nil, nil)
	if err != nil {
		return err
	}
	if err := os.Mkdir(drive, 0o755); err != nil {
		return err
	}
	job := bundle.Job{Config: oci.Digest([]byte("the configuration")), Recipients: to, SegmentSize: bundle.DefaultSegmentSize, Lanes: bundle.DefaultLanes}
	w, err := bundle.Create(drive, state, job, inv)
	if err != nil {
		return err
	}
	for _, d := range content.Descriptors() { // the manifest is the last
		if err := w.Put(ctx, d, &content); err != nil {
			return errors.Join(err, w.Close()) // bundle.Resume continues here
		}
	}
	_, err = w.Seal(ctx, inv)
	return errors.Join(err, w.Close())
}

// A key opens a sealed bundle. What comes out of it is checked by oci.Verified.
func ExampleOpen() {
	ctx := context.Background()
	keys, err := bundle.ReadIdentities([]string{"../testdata/vectors/e944b6d/post-quantum/key.txt"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	r, err := bundle.Open(ctx, []string{"../testdata/vectors/e944b6d/post-quantum/bundle"}, bundle.Wanted{}, keys)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for _, img := range r.Inventory().Images {
		rc, err := oci.Verified(r).Open(ctx, img.Root, 0)
		if err != nil {
			log.Fatal(err)
		}
		n, err := io.Copy(io.Discard, rc)
		fmt.Println(img.Source.Repository, n == img.Root.Size, errors.Join(err, rc.Close()))
	}
	// Output:
	// vectors/app true <nil>
	// vectors/app true <nil>
	// vectors/tools true <nil>
}

// No key is needed to find out that a bundle is damaged, and where.
func ExampleVerify() {
	_, err := bundle.Verify(context.Background(), []string{"../testdata/vectors/e944b6d/damaged/bundle"}, bundle.VerifyOptions{})
	var damage *bundle.DamageError
	if errors.As(err, &damage) {
		for _, fault := range damage.Faults {
			fmt.Println(fault)
		}
	}
	// Output: s-00-00001.age has changed: its SHA-256 differs from the recorded one
}
