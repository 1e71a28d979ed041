package login

import (
	"net/netip"
	"slices"
	"testing"
)

func TestBlockedRealms(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParseAddr("127.0.0.1")
	metadata := netip.MustParseAddr("169.254.169.254")
	blocks := func(host string, a netip.Addr) bool {
		return slices.ContainsFunc(blockedRealms(host), func(p netip.Prefix) bool { return p.Contains(a) })
	}
	for host, want := range map[string]bool{
		"quay.io": true, "registry.example:5000": true, "10.0.0.1:5000": true, "127.0.0.1.example": true, "localhost.example:1": true,
		"127.0.0.1:5000": false, "127.0.0.9": false, "localhost:5000": false, "localhost": false, "[::1]:5000": false,
	} {
		if blocks(host, loopback) != want {
			t.Errorf("%s: a token service on loopback is blocked: %v", host, !want)
		}
		if !blocks(host, metadata) {
			t.Errorf("%s: a token service on a link-local address is not blocked", host)
		}
	}
}
