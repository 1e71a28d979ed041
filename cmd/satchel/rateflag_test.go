package main

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestRate(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "20MB": 20e6, "20MB/s": 20e6, "20MiB": 20 << 20, "4096": 4096, "1KiB/s": 1024, "20Mbit": 25e5, "20Mbit/s": 25e5, "1.5Gbit/s": 187500000, "100kbit": 12500, "100 Kbit": 12500} {
		if got, err := parseRate(s); err != nil || got != want {
			t.Errorf("%s is %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "/s", "fast", "10", "-1MB", "20Mb", "20Mbps", "bit", "Mbit", "20bit", "20MBbit", "20MB/h", "8kbit", "1e99GB", "NaNMB", "MB/s/s"} {
		if got, err := parseRate(s); err == nil {
			t.Errorf("%q is taken for %d", s, got)
		}
	}
}

func TestTimeReport(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0 s", 1: "1 s", 119: "119 s", 120: "2 min", 3569: "59 min", 3570: "1 h 0 min", 8040: "2 h 14 min", 172799: "48 h 0 min", 172800: "2 d 0 h", 8639999: "100 d 0 h"} {
		if got := formatTime(&plan.FetchTime{Rate: 20e6, Seconds: seconds}); got != "about "+want+" at 20.0 MB/s" {
			t.Errorf("%d: %s", seconds, got)
		}
	}
	for rate, want := range map[int64]string{1 << 10: "1.0 kB/s", 25e5: "2.5 MB/s", 125e7: "1.2 GB/s"} {
		if got := formatRate(rate); got != want {
			t.Errorf("%d: %s", rate, got)
		}
	}
}

// TestPlanRate counts what has to be fetched: not what is in a directory, in the
// cache, or there twice.
func TestPlanRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newDirSet(t, w, 300<<10, 200<<10)
	// The layer below the catalog is in a registry too.
	push(t, s.c, s.c.Image(false, s.base), s.source.Host, "app/beside", "v1")
	big := s.c.Layer(50<<10, ocitest.LayerGzip)
	push(t, s.c, s.c.Image(false, big), s.source.Host, "app/bundle", "v1")
	got, _ := w.plan(exitOK, "--rate", "8kB")
	if r := got.Time; r == nil || r.Rate != 8000 || r.Bytes != big.Size || r.Seconds != (r.Bytes+7999)/8000 {
		t.Errorf("a layer of %d bytes has to be fetched: %+v", big.Size, r)
	}
	table := w.run("plan", "-c", w.config, "--tls-verify=false", "--rate", "64kbit/s").want(exitOK).stdout
	if !strings.Contains(table, "\ntime         about 7 s at 8.0 kB/s\n") {
		t.Errorf("%s", table)
	}
	w.run(w.pack()...).want(exitOK)
	if n := s.source.Count("GET blob"); n == 0 {
		t.Error("nothing was fetched")
	}
	for _, r := range s.source.Requests() {
		if strings.HasPrefix(r, "GET ") && strings.Contains(r, s.base.Digest.String()) {
			t.Errorf("what a directory has was fetched: %s", r)
		}
	}
	if got, _ := w.plan(exitOK); got.Time != nil {
		t.Errorf("without --rate: %+v", got.Time)
	}
	if r := w.run("plan", "-c", w.config, "--rate", "20Mb").want(exitUsage); !strings.Contains(r.stderr, `"20Mb" is not a rate`) {
		t.Errorf("%s", r.stderr)
	}
}
