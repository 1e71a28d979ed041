package transport

import (
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// changedError says that a registry stored something as another digest than that of its bytes.
type changedError struct{ as digest.Digest }

func (e *changedError) Error() string {
	return "the registry stored it as " + reply.OneLine(e.as.String())
}

// changed makes a *[ManifestError] of the answer of a registry that stored a manifest in other bytes.
func changed(repo oci.Ref, tag string, d oci.Descriptor, err error) error {
	var other *changedError
	if !errors.As(err, &other) {
		return err
	}
	return &ManifestError{Repo: repo, Tag: tag, Manifest: d, Got: other.as, Pushed: true}
}

// ManifestError says that the mirror does not give a manifest as a node must get it.
type ManifestError struct {
	Repo     oci.Ref
	Tag      string // by which it was asked for; "" for its digest
	Manifest oci.Descriptor
	Got      digest.Digest // of the bytes that it gives instead; "" if it gives none
	Type     string        // the media type that it gives, where that is what is wrong
	Subject  digest.Digest // it is not listed among the referrers of this manifest
	Pushed   bool          // it was pushed in this run, and the registry took it
}

func (e *ManifestError) Error() string {
	name, what := e.Repo.WithDigest(e.Manifest.Digest).String(), ""
	if e.Tag != "" {
		name = e.Repo.WithTag(e.Tag).String()
	}
	switch {
	case e.Type != "":
		what = fmt.Sprintf("the registry changed the media type of this manifest: it gives %s as %q", e.Manifest.MediaType, reply.OneLine(e.Type))
	case e.Subject != "":
		what = "the registry has this manifest and does not list it as a referrer of " + e.Subject.String()
	case e.Got != "" && (e.Pushed || e.Tag == ""):
		what = fmt.Sprintf("the registry changed this manifest: it has %s instead of %s", reply.OneLine(e.Got.String()), e.Manifest.Digest)
	case e.Got != "":
		what = fmt.Sprintf("the tag names another manifest, %s instead of %s", reply.OneLine(e.Got.String()), e.Manifest.Digest)
	case e.Pushed:
		what = "the registry accepted this manifest and does not have it"
	default:
		what = "the registry does not have this manifest"
	}
	return fmt.Sprintf("check %s: %s", name, what)
}

// Hint says what to do now.
func (e *ManifestError) Hint() string {
	switch {
	case e.Subject != "":
		return "tools that look for signatures and the like will not find it; " + hintAgain
	case e.Type != "" || e.Got != "" && (e.Pushed || e.Tag == ""):
		return "nodes pull by digest, so a mirror must keep manifests byte for byte: have the registry, or the proxy in front of it, leave them as they are pushed"
	case e.Got != "":
		return "someone else pushed this tag: run the same command again"
	case e.Pushed:
		return "the registry drops what it accepts, or it, or a cache in front of it, still says that the manifest is not there (after garbage collection, restart the registry and empty its cache): " + hintAgain
	}
	return hintAgain
}

// Permanent is true: the registry answered.
func (e *ManifestError) Permanent() bool { return true }
