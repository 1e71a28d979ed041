package handover

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestRolloutLoop: a failed read of the pools is not taken for a new configuration, in each shell
// that is there.
func TestRolloutLoop(t *testing.T) {
	t.Parallel()
	const stub = `
oc() {
  [ "$1" = get ] || { echo "$(wc -l < "$READS" | tr -d ' ') reads"; return; }
  echo >> "$READS"
  case $(wc -l < "$READS" | tr -d ' ') in 2) return 1 ;; 1|3) echo old ;; *) echo new ;; esac
}
seq() { echo 1 2 3 4 5; }
sleep() { :; }
`
	for _, shell := range []string{"bash", "zsh"} {
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		cmd := proctest.Command(t, shell, "-c", stub+strings.Join((&Handover{}).Rollout("true"), "\n"))
		cmd.Env = append(cmd.Environ(), "READS="+t.TempDir()+"/reads")
		// what was, the one that fails, the old one, the new one, and the pools to wait for
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "5 reads") {
			t.Errorf("%s: %v: %s", shell, err, out)
		}
	}
}
