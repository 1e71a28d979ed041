package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// The limits, in bytes.
const (
	maxPeak     = 256 * mib
	maxUnpacked = 64 * mib
)

// maxPacked is what pack may write for so many unique blobs of so many bytes.
func maxPacked(blobBytes int64, blobs int) int64 {
	return blobBytes + blobBytes/50 + 400*int64(blobs)
}

// report prints the numbers and says whether all limits are kept.
func (b *bench) report(w io.Writer, r results) bool {
	fmt.Fprintf(w, "\n%d images, %d unique blobs, %s\n\n", len(b.images), len(b.blobs), inMiB(b.bytes))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") }
	row("", "wall", "CPU", "peak memory", "written", "MiB/s")
	line := func(name string, u usage, written int64) {
		cpu, peak, bytes := "", "", ""
		if u.peak > 0 {
			cpu, peak, bytes = seconds(u.cpu), inMiB(u.peak), inMiB(written)
		}
		row(name, seconds(u.wall), cpu, peak, bytes, fmt.Sprintf("%.0f", float64(b.bytes)/mib/u.wall.Seconds()))
	}
	line("pack", r.pack, r.packed)
	line("GETs, discarded", r.get, 0)
	line("GETs, synced files", r.files, 0)
	line("unpack", r.unpack, r.unpacked)
	line("PUTs", r.put, 0)
	_ = t.Flush() // as good as the lines printed before it
	fmt.Fprintln(w)
	good := true
	for _, c := range []struct {
		what       string
		got, limit int64
	}{
		{"pack: peak memory", r.pack.peak, maxPeak - 1},
		{"pack: bytes written", r.packed, maxPacked(b.bytes, len(b.blobs))},
		{"unpack: peak memory", r.unpack.peak, maxPeak - 1},
		{"unpack: bytes written", r.unpacked, maxUnpacked - 1},
	} {
		verdict := "PASS"
		if c.got > c.limit {
			verdict, good = "FAIL", false
		}
		fmt.Fprintf(w, "%s  %s: %d, at most %d\n", verdict, c.what, c.got, c.limit)
	}
	return good
}

func inMiB(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/mib) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
