package oci

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// explainRef says what is wrong with a reference that the parser refuses, and how to write it.
func explainRef(s string, err error) error {
	if why := badForm(s); why != "" {
		return fmt.Errorf("image reference %q: %s", s, why)
	}
	if errors.Is(err, reference.ErrNameNotCanonical) {
		if full, ferr := reference.ParseNormalizedNamed(s); ferr == nil {
			full = reference.TagNameOnly(full)
			if strings.HasPrefix(s, "docker.io/") || strings.HasPrefix(s, "index.docker.io/") {
				return fmt.Errorf("image reference %q: docker.io has such images below library/; did you mean %q?", s, full.String())
			}
			return fmt.Errorf("image reference %q has no registry host; did you mean %q?", s, full.String())
		}
	}
	return fmt.Errorf("image reference %q: %w", s, err)
}

// badForm says what is wrong where the form of a reference shows it, "" where it does not.
func badForm(s string) string {
	scheme, after, schemed := strings.Cut(s, "://")
	_, hex, digested := strings.Cut(s, "@sha256:")
	name, tag, tagged := strings.Cut(s, ":sha256:")
	switch {
	case isPath(s), schemed && strings.HasPrefix(after, "/"):
		return "this names a file or directory; an image is named by its registry, as HOST[:PORT]/REPOSITORY:TAG"
	case schemed && scheme == "http":
		return fmt.Sprintf("write it without the transport, as %q; a registry without TLS is reached by plain HTTP where insecure registries are allowed", after)
	case schemed:
		return fmt.Sprintf("write it without the transport, as %q", after)
	case digested:
		return badDigest(hex)
	case tagged && tag != "":
		return fmt.Sprintf("a digest follows an @, as in %q", name+"@sha256:"+tag)
	case strings.Contains(s, "@") && !strings.Contains(s, "@sha512:"):
		return "what follows the @ is not a digest: it must be sha256: with 64 hexadecimal digits"
	case strings.HasSuffix(s, ":"):
		return "the tag after the colon is missing"
	case s != strings.TrimSpace(s):
		return "there is white space around it"
	}
	return ""
}

// isPath reports whether it is a path on disk, or one as other tools write it.
func isPath(s string) bool {
	for _, p := range []string{"/", "./", "../", "~/", "dir:", "oci:/", "oci-archive:", "docker-archive:", "docker-daemon:", "containers-storage:"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// badDigest says what is wrong with the hexadecimal digits of a SHA-256, "" for nothing.
func badDigest(hex string) string {
	const digits = 64
	if other := strings.Trim(hex, "0123456789abcdef"); other != "" {
		if strings.Trim(strings.ToLower(hex), "0123456789abcdef") == "" {
			return "the digest must be in lower case"
		}
		return "the digest has characters that are not hexadecimal digits (0-9, a-f)"
	}
	if len(hex) != digits {
		return fmt.Sprintf("the digest is not whole: sha256: is followed by %d hexadecimal digits, here by %d", digits, len(hex))
	}
	return ""
}
