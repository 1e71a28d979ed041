package handover

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestTellUnkept: where the ConfigMap of the state before satchel has no list of what was off, that is
// said; where it has an empty one, nothing was off.
func TestTellUnkept(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	sentence, lines := (&Handover{}).TellUnkept(KeyChartsOff)
	for data, note := range map[string]bool{"  charts-off: \"\"": false, "  charts-off: a b": false, "  no-proxy: charts-off": true} {
		fake := "oc() { printf 'apiVersion: v1\\ndata:\\n%s\\n' '" + data + "'; }\n"
		out, err := proctest.Command(t, bash, "-c", fake+strings.Join(page.Chain(lines...), "\n")).Output()
		if err != nil || strings.HasPrefix(string(out), "NOTE: ") != note {
			t.Errorf("%s: %v, %s", data, err, out)
		}
	}
	if sentence == "" {
		t.Error("the page does not say what NOTE means")
	}
	known := &Handover{Before: Before{KeyChartsOff: ""}}
	if sentence, lines := known.TellUnkept(KeyChartsOff); sentence != "" || len(lines) > 0 {
		t.Errorf("known, and said: %q, %q", sentence, lines)
	}
}
