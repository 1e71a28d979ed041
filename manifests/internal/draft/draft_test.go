package draft_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/draft"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
)

func hex(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// version is a ClusterVersion of a channel.
func version(v, channel string) string {
	image := "quay.io/openshift-release-dev/ocp-release@" + hex("a")
	if strings.Contains(v, "okd") {
		image = "quay.io/okd/scos-release@" + hex("a")
	}
	return fmt.Sprintf("apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {channel: '%s'}\nstatus: {desired: {version: %s, image: '%s'}, history: [{state: Completed, version: %s, image: '%s'}]}\n", channel, v, image, v, image)
}

func node(arch string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: n-%s}\nstatus: {nodeInfo: {architecture: %s}}\n", arch, arch)
}

func subscription(pkg, channel, source, csv string) string {
	return fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: '%s', namespace: ops}\nspec: {name: '%s', channel: '%s', source: %s, sourceNamespace: openshift-marketplace}\nstatus: {installedCSV: '%s'}\n", pkg, pkg, channel, source, csv)
}

func read(t *testing.T, name string, objects ...string) *cluster.State {
	t.Helper()
	s, err := cluster.Read(name, strings.NewReader(strings.Join(objects, "---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// written gives what is written for clusters, in any order, without the lines of the head.
func written(t *testing.T, to string, list ...*cluster.State) string {
	t.Helper()
	body, _, err := draft.Write(list, to)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := imageset.Parse("f.yaml", body)
	if err == nil {
		err = errors.Join(cfg.CheckSupported(), cfg.CheckNotEmpty())
	}
	if err != nil {
		t.Errorf("what is written cannot be read: %v\n%s", err, body)
	}
	if len(list) > 1 {
		list[0], list[1] = list[1], list[0]
	}
	if again, _, err := draft.Write(list, to); err != nil || string(again) != string(body) {
		t.Errorf("written again, it is another: %v\n%s", err, again)
	}
	_, text, _ := strings.Cut(string(body), "mirror:\n")
	return text
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	const head = "  platform:\n    # The data of the update graph, for an update service inside.\n    graph: true\n    architectures:\n    - amd64\n    channels:\n"
	one := func(v, channel string) *cluster.State { return read(t, "east", version(v, channel), node("amd64")) }
	for name, tc := range map[string]struct {
		to   string
		list []*cluster.State
		want string
	}{
		"what runs":           {"", []*cluster.State{one("4.16.5", "stable-4.16")}, head + "    # Runs now: 4.16.5, in east.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n"},
		"a later channel":     {"", []*cluster.State{one("4.16.5", "eus-4.18")}, head + "    # Runs now: 4.16.5, in east.\n    - name: eus-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n"},
		"no channel":          {"", []*cluster.State{one("4.16.5", "")}, head + "    # Runs now: 4.16.5, in east.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n"},
		"eus of an odd minor": {"", []*cluster.State{one("4.17.5", "eus-4.18")}, head + "    # Runs now: 4.17.5, in east.\n    - name: stable-4.17\n      minVersion: 4.17.5\n      maxVersion: 4.17.5\n"},
		"a prerelease":        {"", []*cluster.State{one("4.16.0-rc.1", "stable-4.16")}, head + "    # Runs now: 4.16.0-rc.1, in east.\n    - name: candidate-4.16\n      minVersion: 4.16.0-rc.1\n      maxVersion: 4.16.0-rc.1\n"},
		"within a minor":      {"4.16.9", []*cluster.State{one("4.16.5", "fast-4.16")}, head + "    # Runs now: 4.16.5, in east.\n    - name: fast-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.9\n      shortestPath: true\n"},
		"over two minors":     {"4.18.3", []*cluster.State{one("4.16.5", "eus-4.16")}, head + "    # Runs now: 4.16.5, in east.\n    - name: eus-4.16\n      minVersion: 4.16.5\n      shortestPath: true\n    - name: eus-4.18\n      maxVersion: 4.18.3\n      shortestPath: true\n"},
		"to the next major":   {"5.0.3", []*cluster.State{one("4.22.5", "stable-4.22")}, head + "    # Runs now: 4.22.5, in east.\n    - name: stable-4.22\n      minVersion: 4.22.5\n      shortestPath: true\n    - name: stable-5.0\n      maxVersion: 5.0.3\n      shortestPath: true\n"},
		"two of one channel":  {"", []*cluster.State{one("4.16.5", "stable-4.16"), read(t, "west", version("4.16.9", "stable-4.16"))}, head + "    # Runs now: 4.16.5 and 4.16.9, in east and west.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.9\n      shortestPath: true\n"},
		"two architectures":   {"", []*cluster.State{one("4.16.5", "stable-4.16"), read(t, "west", version("4.16.5", "stable-4.16"), node("arm64"))}, strings.Replace(head, "- amd64\n", "- amd64\n    - arm64\n", 1) + "    # Runs now: 4.16.5, in east and west.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n"},
		"nodes of several":    {"", []*cluster.State{read(t, "east", version("4.16.5", "stable-4.16"), node("amd64"), node("arm64"))}, strings.Replace(head, "amd64", "multi", 1) + "    # Runs now: 4.16.5, in east.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n"},
		"OKD":                 {"", []*cluster.State{one("4.15.0-0.okd-2024-03-10-010116", "stable-4")}, "  platform:\n    architectures:\n    - amd64\n    channels:\n    # Runs now: 4.15.0-0.okd-2024-03-10-010116, in east.\n    - name: stable-4\n      type: okd\n      minVersion: 4.15.0-0.okd-2024-03-10-010116\n      maxVersion: 4.15.0-0.okd-2024-03-10-010116\n"},
		"a payload alone":     {"", []*cluster.State{read(t, "east", "apiVersion: v1\nkind: Pod\nmetadata: {name: cluster-version-operator-1, namespace: openshift-cluster-version}\nspec: {containers: [{name: cluster-version-operator, image: 'quay.io/r/r@"+hex("a")+"'}]}\n")}, "  platform:\n    # cluster east runs it; its version is not known, so no channel is named.\n    release: quay.io/r/r@" + hex("a") + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := written(t, tc.to, tc.list...); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// TestOwnChannel: a cluster's channel is named as it is, and the one that is carried where it is another.
func TestOwnChannel(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]string{
		"stable-4.14": "for amd64, channel stable-4.14\n",
		"eus-4.16":    "for amd64, channel eus-4.16; eus-4.14 is named below, for the release that runs now\n",
		"":            "for amd64, no channel; stable-4.14 is named below, for the release that runs now\n",
	} {
		body, _, err := draft.Write([]*cluster.State{read(t, "c414", version("4.14.30", channel), node("amd64"))}, "")
		if want = "#   c414: OpenShift 4.14.30 " + want; err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%q: %v\n%s", channel, err, body)
		}
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	const index = "registry.redhat.io/redhat/redhat-operator-index"
	east := read(t, "east", version("4.16.5", ""), subscription("logging", "stable-5.9", "redhat-operators", "logging.v5.9.2"), subscription("on", "1.0", "redhat-operators", "strange"), subscription("lost", "c", "lost", "lost.v1.0.0"))
	west := read(t, "west", version("4.16.9", ""), subscription("logging", "stable-5.8", "redhat-operators", "logging.v5.8.1"), subscription("free", "", "redhat-operators", "free.v2.0.0"))
	got := written(t, "4.17.1", east, west)
	_, got, _ = strings.Cut(got, "  operators:\n")
	const packages = `    packages:
    # west has 2.0.0.
    - name: free
      # A Subscription names no channel, so all channels are carried.
      minVersion: 2.0.0
    # east has 5.9.2, west has 5.8.1.
    - name: logging
      defaultChannel: stable-5.9
      channels:
      - name: stable-5.8
        minVersion: 5.8.1
      - name: stable-5.9
        minVersion: 5.9.2
    # east has strange.
    - name: 'on'
      defaultChannel: '1.0'
      channels:
      - name: '1.0'
`
	want := "  - catalog: " + index + ":v4.16\n" + packages + "  # For after the update. A later catalog may lack a channel: name another one then.\n  - catalog: " + index + ":v4.17\n" + packages
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	old := read(t, "old", version("4.21.5", ""), subscription("logging", "stable-5.9", "redhat-operators", "logging.v5.9.2"))
	if got := written(t, "5.0.1", old); !strings.Contains(got, index+":v4.21\n") || !strings.Contains(got, index+":v4.22\n") || !strings.Contains(got, index+":v5.0\n") {
		t.Errorf("to the next major: got\n%s", got)
	}
	_, notes, err := draft.Write([]*cluster.State{east}, "")
	if err != nil || !strings.Contains(strings.Join(notes, "\n"), "not in the configuration: operator lost 1.0.0 of cluster east: the image of its catalog is not known") {
		t.Errorf("got %q, %v", notes, err)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	pod := func(name, image, id string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: shop}\nspec: {containers: [{name: c, image: '%s'}]}\nstatus: {containerStatuses: [{name: c, imageID: '%s'}]}\n", name, image, id)
	}
	got := written(t, "", read(t, "east", version("4.16.5", ""), node("amd64"),
		pod("component", "quay.io/openshift-release-dev/ocp-v4.0-art-dev@"+hex("c"), ""),
		pod("operand", "example.com/mirror/operand@"+hex("b"), ""),
		pod("new", "quay.io/app/web:v1", "quay.io/app/web@"+hex("d")), pod("old", "quay.io/app/web:v1", "quay.io/app/web@"+hex("e")), pod("tag", "quay.io/app/job:2", ""),
		pod("inside", "image-registry.openshift-image-registry.svc:5000/shop/own:1", ""),
		"apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata: {name: x.v1, namespace: ops}\nspec: {relatedImages: [{name: o, image: 'example.com/x/operand@"+hex("b")+"'}]}\n"))
	_, got, _ = strings.Cut(got, "  additionalImages:\n")
	want := "  - name: quay.io/app/job:2 # shop/tag c\n  - name: quay.io/app/web:v1@" + hex("d") + " # shop/new c\n  - name: quay.io/app/web@" + hex("e") + " # shop/old c\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	east := read(t, "east", version("4.16.5", ""))
	for name, tc := range map[string]struct {
		to   string
		one  *cluster.State
		want string
	}{
		"back":       {"4.16.4", east, "cluster east runs 4.16.5, which cannot be updated to 4.16.4"},
		"too far":    {"4.18446744073709551615.0", east, "cluster east runs 4.16.5, which cannot be updated to"},
		"no version": {"latest", east, `"latest" is no version`},
		"unknown":    {"4.17.1", read(t, "east", node("amd64")), "cluster east: its version is not known"},
		"OKD":        {"4.99.1", read(t, "east", version("4.15.0-0.okd-2024-03-10-010116", "")), "cluster east is OKD"},
		"nothing":    {"", read(t, "east", node("amd64")), "nothing is known that the clusters need"},
	} {
		_, _, err := draft.Write([]*cluster.State{tc.one}, tc.to)
		var wrong *draft.VersionError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), tc.want) || wrong.Hint() == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestReal writes a configuration for a cluster that there was.
func TestReal(t *testing.T) {
	t.Parallel()
	s, err := cluster.ReadDir("sno", os.DirFS(asktest.SharedData(t, "cluster")+"/sno-ocp-4.13.0-ec.4"))
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, "", s); !strings.Contains(got, "    - name: candidate-4.13\n      minVersion: 4.13.0-ec.4\n") || strings.Count(got, "  - name: ") != 2 {
		t.Errorf("got\n%s", got)
	}
}

// TestOtherReleases: an update that has begun needs its release too, and so do hosted clusters and
// each of their pools that lags behind.
func TestOtherReleases(t *testing.T) {
	t.Parallel()
	begun := "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {channel: stable-4.16}\nstatus: {desired: {version: 4.17.2, image: 'quay.io/r/r@" + hex("b") + "'}, history: [{state: Partial, version: 4.17.2, image: 'quay.io/r/r@" + hex("b") + "'}, {state: Completed, version: 4.16.5, image: 'quay.io/r/r@" + hex("a") + "'}]}\n"
	hosted := "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\nmetadata: {name: h, namespace: clusters}\nspec: {release: {image: 'quay.io/r/r:b'}}\nstatus: {version: {history: [{state: Completed, version: 4.15.9, image: 'quay.io/r/r:b'}, {state: Completed, version: 4.14.3, image: 'quay.io/r/r:a'}, {state: Completed, version: 4.14.1, image: 'quay.io/r/r:c'}]}}\n"
	pool := "apiVersion: hypershift.openshift.io/v1beta1\nkind: NodePool\nmetadata: {name: p, namespace: clusters}\nspec: {clusterName: h, release: {image: 'quay.io/r/r:a'}}\nstatus: {version: 4.14.3}\n"
	for name, tc := range map[string]struct {
		objects []string
		want    string
	}{
		"an update has begun": {[]string{begun, node("amd64")}, "    # Runs now: 4.16.5, in east.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n    # Runs now: 4.17.2, in east, which has begun to update to it.\n    - name: stable-4.17\n      minVersion: 4.17.2\n      maxVersion: 4.17.2\n"},
		"a pool lags behind":  {[]string{version("4.16.5", "stable-4.16"), node("amd64"), hosted, pool}, "    # Runs now: 4.14.3, in node pool p of east.\n    - name: stable-4.14\n      minVersion: 4.14.3\n      maxVersion: 4.14.3\n    # Runs now: 4.15.9, in hosted cluster h of east.\n    - name: stable-4.15\n      minVersion: 4.15.9\n      maxVersion: 4.15.9\n    # Runs now: 4.16.5, in east.\n    - name: stable-4.16\n      minVersion: 4.16.5\n      maxVersion: 4.16.5\n"},
	} {
		_, got, _ := strings.Cut(written(t, "", read(t, "east", tc.objects...)), "    channels:\n")
		if got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

// TestMirroredCatalogs: a filtered catalog in the mirror, for which there is no rule, is named as it is
// outside where anything says so, and is commented out where nothing does.
func TestMirroredCatalogs(t *testing.T) {
	t.Parallel()
	const rule = "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: m}\nspec: {imageDigestMirrors: [{source: quay.io/other, mirrors: ['mirror.example.com:5000/ns/other']}]}\n"
	source := func(name, image, more string) [2]string {
		return [2]string{name, fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: %s, namespace: openshift-marketplace%s}\nspec: {image: '%s', publisher: 'quay.io/acme'}\n", name, more, image)}
	}
	const mine, ours, at = "", ", labels: {app.kubernetes.io/managed-by: satchel}", "mirror.example.com:5000/ns/"
	for name, tc := range map[string]struct {
		source     [2]string
		rule, want string
	}{
		"by its path":               {source("mine", at+"redhat/redhat-operator-index:v4.16", mine), rule, "- catalog: registry.redhat.io/redhat/redhat-operator-index:v4.16"},
		"by the name of a default":  {source("redhat-operators", at+"company/index@"+hex("b"), mine), rule, "- catalog: registry.redhat.io/redhat/redhat-operator-index:v4.16"},
		"by the name of oc-mirror":  {source("cs-certified-operator-index-v4-16", at+"company/index:x", mine), rule, "- catalog: registry.redhat.io/redhat/certified-operator-index:x"},
		"by its publisher":          {source("acme-index", at+"acme/acme-index:v7", ours), "", "- catalog: quay.io/acme/acme-index:v7"},
		"by its publisher, untaged": {source("acme-index", at+"acme/acme-index@"+hex("b"), ours), "", "# The cluster has it by digest: the tag is a guess, look whether there is one.\n  - catalog: quay.io/acme/acme-index:v4.16"},
		"by nothing":                {source("acme-index", at+"acme/acme-index:v7", mine), rule, "# Note: the catalog " + at + "acme/acme-index:v7 of cluster east is in a mirror, and nothing in the cluster says where it came from: put its name outside, with its tag, after \"catalog:\", and take away the # of the lines below\n  # operators:\n  # - catalog: " + at + "acme/acme-index:v7\n    # packages:\n"},
		"in no mirror":              {source("acme-index", "registry.acme.com/acme-index:v7", mine), rule, "- catalog: registry.acme.com/acme-index:v7"},
	} {
		objects := []string{version("4.16.5", ""), node("amd64"), tc.source[1], subscription("x", "c", tc.source[0], "x.v1.0.0")}
		if tc.rule != "" {
			objects = append(objects, tc.rule)
		}
		got := written(t, "", read(t, "east", objects...))
		if !strings.Contains(got, "  "+tc.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
		if live := strings.Contains(got, "\n  operators:\n"); live == strings.Contains(tc.want, "# operators") {
			t.Errorf("%s: operators are written: %v\n%s", name, live, got)
		}
	}
}
