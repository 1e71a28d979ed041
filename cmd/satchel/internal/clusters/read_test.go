package clusters

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, body string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func version(id, version string, change int) string {
	return fmt.Sprintf("apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version, resourceVersion: '%d'}\nspec: {clusterID: %s}\nstatus: {desired: {version: %s}}\n", change, id, version)
}

// TestRead: each path is a cluster, those of one ID are one, and names are for directories.
func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gather := filepath.Join(dir, "must-gather.local.5")
	write(t, gather, "quay-io-x/cluster-scoped-resources/config.openshift.io/clusterversions.yaml", version("one", "4.16.1", 5))
	later := write(t, dir, "Later One.yaml", version("one", "4.16.2", 7))
	other := write(t, dir, "two.json.yaml", version("two", "4.17.3", 1))
	list, err := Read([]string{gather, other, later, filepath.Join(gather, "quay-io-x", "cluster-scoped-resources")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		v, _ := c.Running()
		got = append(got, c.Name+" "+v.String())
	}
	if want := "must-gather.local.5 4.16.2, two 4.17.3"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	wrong := write(t, dir, "wrong.yaml", "kind: Secret\ndata: {hidden: content}\n")
	_, err = Read([]string{filepath.Join(dir, "absent"), wrong, t.TempDir()})
	if err == nil || strings.Count(err.Error(), "read the cluster of") != 3 || strings.Contains(err.Error(), "hidden") {
		t.Errorf("wrong paths: %v", err)
	}
	_, err = Read([]string{other, write(t, filepath.Join(dir, "b"), "two.json.yaml", version("three", "4.17.3", 1))})
	if file := (*FileError)(nil); !errors.As(err, &file) || !strings.Contains(err.Error(), "is called two too") || file.Hint() == "" {
		t.Errorf("two of one name: %v", err)
	}
	if list, err = Read([]string{later}); err != nil || list[0].Name != "later-one" {
		t.Errorf("%v, %v", list, err)
	}
}
