package receipt

import (
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// fetchedCopy is what this host has of a receipt in the mirror: files by digest. A tag may lead to
// another receipt now, where a prune took the first away, so that the mirror is always asked what
// it leads to.
type fetchedCopy map[digest.Digest][]byte

func readFetchedCopy(file string) fetchedCopy {
	body, err := readFile(file)
	if err != nil {
		return nil
	}
	c := fetchedCopy{oci.Digest(body): body}
	list, err := readSignatures(file)
	if err != nil {
		return nil
	}
	for _, sig := range list {
		c[oci.Digest(sig)] = sig
	}
	return c
}

// body gives the file with that digest, nil if there is none.
func (c fetchedCopy) body(d digest.Digest) []byte { return c[d] }

// is reports whether the copy is the whole of an artifact, and nothing else.
func (c fetchedCopy) is(a *transport.Artifact) bool {
	files := fetchedCopy{}
	for _, f := range a.Files {
		d := oci.Digest(f.Body)
		if c[d] == nil {
			return false
		}
		files[d] = f.Body
	}
	return len(files) == len(c)
}
