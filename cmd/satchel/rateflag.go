package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
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

// formatTime writes the time that fetching takes for people.
func formatTime(t *plan.FetchTime) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	s := t.Seconds
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
	return "about " + took + " at " + formatRate(t.Rate)
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
