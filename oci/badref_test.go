package oci_test

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestBadReferences: what is wrong with a reference is said in words, with how to write it.
func TestBadReferences(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("a1", 32)
	for in, want := range map[string]string{
		"quay.io/a/b@sha256:abc":            "the digest is not whole: sha256: is followed by 64 hexadecimal digits, here by 3",
		"quay.io/a/b@sha256:":               "here by 0",
		"quay.io/a/b@sha256:xyz":            "not hexadecimal",
		"quay.io/a/b@sha256:ABC":            "must be in lower case",
		"quay.io/a/b:1@sha256:abc":          "the digest is not whole",
		"quay.io/a/b@abc":                   "what follows the @ is not a digest",
		"quay.io/a/b:sha256:" + whole:       `a digest follows an @, as in "quay.io/a/b@sha256:` + whole + `"`,
		"quay.io/a/b:":                      "the tag after the colon is missing",
		"http://quay.io/a/b:1":              `as "quay.io/a/b:1"; a registry without TLS`,
		"https://quay.io/a/b:1":             `write it without the transport, as "quay.io/a/b:1"`,
		"oci:///tmp/x":                      "this names a file or directory",
		"dir:/tmp/x":                        "this names a file or directory",
		"./x":                               "this names a file or directory",
		"docker-archive:x.tar":              "this names a file or directory",
		"docker://./x":                      "this names a file or directory",
		"quay.io/A/b:1":                     "must be lowercase",
		"quay.io/a/b@sha256:" + whole + " ": "not hexadecimal",
		"example/app:1":                     "has no registry host",
	} {
		if ref, err := oci.ParseRef(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", in, ref, err, want)
		}
	}
}
