package transport

import (
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// manyImages makes images of two layers each, so many in each repository; no two share a blob.
func manyImages(repos, each int) (*ocitest.Content, *oci.Inventory) {
	content, inv := ocitest.New(41), &oci.Inventory{}
	for i := range repos * each {
		root := content.ImageFor(fmt.Sprintf("arch%d", i), false, content.Layer(1000+i, ocitest.LayerGzip), content.Layer(20<<10+i, ocitest.LayerGzip))
		src := oci.Ref{Registry: "registry.example", Repository: fmt.Sprintf("team/%d", i/each), Tag: fmt.Sprintf("v%d", i)}
		inv.Images = append(inv.Images, oci.Image{Origin: "additional", Source: src, Root: root, Tags: []string{src.Tag}})
	}
	inv.Sort()
	return content, inv
}

// TestRequests counts what an unpack asks of the mirror, so that it does not grow unseen: of ten
// images, five in each of two repositories.
func TestRequests(t *testing.T) {
	t.Parallel()
	proxy := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	const repos, each, blobs = 2, 5, 3
	content, inv := manyImages(repos, each)
	all := repos * each
	client := insecure(t)
	for _, c := range []struct {
		name   string
		verify Verify
		want   map[string]int
	}{
		{"first push", VerifySizes, map[string]int{
			"GET base":      1,                   // once a client
			"HEAD manifest": 4 * all,             // each tag at the beginning, before its push and after, and that of the digest after
			"GET blob":      2*all*blobs + repos, // each blob before and after, and the probe's
			"POST upload":   all*blobs + repos, "PUT upload": all*blobs + repos,
			"PUT manifest":    2*all + 2*repos, // under its tag and under that of its digest; the probe's with a tag and without
			"GET manifest":    all + 2*repos,   // each manifest, the probe's, and one for a signature
			"DELETE manifest": 2 * repos, "DELETE blob": repos,
		}},
		{"nothing to do", VerifySizes, map[string]int{"HEAD manifest": 2 * all, "GET manifest": all + repos, "GET blob": all * blobs}},
		{"nothing to do, manifests alone", VerifyManifests, map[string]int{"HEAD manifest": 2 * all, "GET manifest": all + repos}},
	} {
		proxy.Reset()
		m := mirrorAt(client, proxy.Host, 4)
		m.Verify = c.verify
		if err := unpacked(t.Context(), m, content, inv); err != nil {
			t.Fatal(c.name, err)
		}
		if got := proxy.Counts(); !maps.Equal(got, c.want) {
			t.Errorf("%s: requests %v, want %v", c.name, got, c.want)
		}
	}
}

// BenchmarkRequests brings 400 images of three blobs into docker-registry, and then looks at them
// again: one image a repository, and 400 in one. It gives the number of requests, and the CPU time
// of this process, with that of the proxy that counts.
func BenchmarkRequests(b *testing.B) {
	for _, repos := range []int{400, 1} {
		content, inv := manyImages(repos, 400/repos)
		proxy := registrytest.StartProxy(b, registrytest.Start(b).Host)
		client := NewClient(Config{})
		for _, what := range []string{"first push", "nothing to do"} {
			b.Run(fmt.Sprintf("%s, repositories: %d", what, repos), func(b *testing.B) {
				proxy.Reset()
				begun := cpuSeconds(b)
				if err := unpacked(b.Context(), mirrorAt(client, proxy.Host, 8), content, inv); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(cpuSeconds(b)-begun, "cpu-s")
				b.ReportMetric(float64(len(proxy.Requests())), "requests")
			})
		}
		client.Close()
	}
}

func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}
