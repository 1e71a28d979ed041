package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// minRate is the least that --limit-rate takes: below it, requests themselves
// would run into timeouts.
const minRate = 1 << 10

// rateValue is a flag of bytes a second.
type rateValue struct{ bytes *int64 }

func (v rateValue) String() string {
	if v.bytes == nil || *v.bytes == 0 {
		return ""
	}
	return fmt.Sprint(*v.bytes)
}

func (v rateValue) Set(s string) (err error) {
	*v.bytes, err = parseRate(s)
	return err
}

func (v rateValue) Type() string { return "RATE" }

// parseRate reads bytes a second, or bits as links are sold by; 0 is none.
func parseRate(s string) (int64, error) {
	if s == "0" {
		return 0, nil
	}
	number, unit := strings.TrimSuffix(s, "/s"), int64(1)
	if bits, ok := strings.CutSuffix(number, "bit"); ok && bits != "" && strings.ContainsAny(bits[len(bits)-1:], "kKMG") {
		number, unit = bits+"B", 8
	}
	n, err := bundle.ParseSize(number)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a rate; write bytes a second, as 10MiB, or bits, as 80Mbit", s)
	case n/unit < minRate:
		return 0, errors.New("it must be at least 1KiB a second")
	}
	return n / unit, nil
}

// timeReport is how long it takes to fetch what pack has to.
type timeReport struct {
	Bytes   int64 `json:"bytesToFetch"`
	Rate    int64 `json:"rate"` // bytes a second
	Seconds int64 `json:"seconds"`
}

// time counts what has to come over the network: all but what is in the cache, what
// satchel makes itself, and what directories of this host have.
func (p *planning) time() *timeReport {
	if p.opts.rate == 0 {
		return nil
	}
	r := &timeReport{Rate: p.opts.rate}
	for _, n := range slices.Concat(p.graph.Blobs, p.graph.Manifests) {
		repos := p.repos(n)
		near := slices.ContainsFunc(repos, func(ref oci.Ref) bool { return p.catalogs.of(ref) != nil })
		if len(repos) > 0 && !near && !p.cache.Has(n.Descriptor) {
			r.Bytes += n.Descriptor.Size
		}
	}
	r.Seconds = (r.Bytes + r.Rate - 1) / r.Rate
	return r
}

// String writes it for people.
func (r *timeReport) String() string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	s := r.Seconds
	var took string
	switch {
	case s < 2*minute:
		took = fmt.Sprintf("%d s", s)
	case s < hour-minute/2:
		took = fmt.Sprintf("%d min", (s+minute/2)/minute)
	case s < 2*day:
		s += minute / 2
		took = fmt.Sprintf("%d h %d min", s/hour, s%hour/minute)
	default:
		s += hour / 2
		took = fmt.Sprintf("%d d %d h", s/day, s%day/hour)
	}
	return "about " + took + " at " + formatRate(r.Rate)
}

// formatRate writes bytes a second in powers of ten, as links have them.
func formatRate(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB/s", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB/s", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB/s", float64(n)/1e3)
}
