package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestLoopbackMirror: a mirror under a name that each node takes for itself is a warning, unless
// nodes pull from another address.
func TestLoopbackMirror(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost:5000": true, "localhost": true, "mirror.localhost:5000": true, "127.0.0.1:5000": true, "[::1]:5000": true, "[::1]": true,
		"mirror.example:5000": false, "10.0.0.1:5000": false, "localhost.example": false,
	} {
		var out bytes.Buffer
		a := newApp(t, &out, logFlags{}, true)
		nodeFlags{}.warnLoopback(a, oci.Mirror{Host: host})
		if got := strings.Contains(out.String(), "leads nodes to "+host+", which is each node itself"); got != want {
			t.Errorf("%s: %q", host, out.String())
		}
		out.Reset()
		if (nodeFlags{from: []string{"mirror.example"}}).warnLoopback(a, oci.Mirror{Host: host}); out.Len() > 0 {
			t.Errorf("%s, and another address for nodes: %q", host, out.String())
		}
	}
}
