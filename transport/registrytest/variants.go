package registrytest

import (
	"fmt"
	"github.com/opencontainers/go-digest"
	"path/filepath"
	"testing"
)

// storage comes after the one that every registry is started with, and so
// instead of it.
const storage = `storage:
  filesystem:
    rootdirectory: %q
  delete:
    enabled: %t
  maintenance:
    uploadpurging:
      enabled: false
    readonly:
      enabled: %t
`

// StartReadOnly is [Start] for a registry in read-only maintenance. dir is its storage.
func StartReadOnly(t testing.TB, dir string) *Registry {
	t.Helper()
	return start(t, fmt.Sprintf(storage, dir, true, true))
}

// StartUndeletable is [Start] for a registry that allows nothing to be deleted.
func StartUndeletable(t testing.TB) *Registry {
	t.Helper()
	return start(t, fmt.Sprintf(storage, t.TempDir(), false, false))
}

// StartOn is [Start] with the storage in dir.
func StartOn(t testing.TB, dir string) *Registry {
	t.Helper()
	return start(t, fmt.Sprintf(storage, dir, true, false))
}

// StartWithURLs is [Start] for a registry that takes manifests whose layers name
// URLs that begin like this.
func StartWithURLs(t testing.TB, prefix string) *Registry {
	t.Helper()
	return start(t, fmt.Sprintf("validation:\n  manifests:\n    urls:\n      allow:\n        - ^%s\n", prefix))
}

// StartConfig is [Start] with more configuration, YAML: a section of it goes before
// the one that every registry is started with.
func StartConfig(t testing.TB, yaml string) *Registry {
	t.Helper()
	return start(t, yaml)
}

// StartCached is [Start] for a registry that remembers in memory which blobs it has, with
// their sizes.
func StartCached(t testing.TB, dir string) *Registry {
	t.Helper()
	return start(t, fmt.Sprintf(storage+"  cache:\n    blobdescriptor: inmemory\n", dir, true, false))
}

// BlobFile is the file of a blob below the storage of docker-registry and distribution.
func BlobFile(storage string, d digest.Digest) string {
	return filepath.Join(storage, "docker/registry/v2/blobs/sha256", d.Encoded()[:2], d.Encoded(), "data")
}
