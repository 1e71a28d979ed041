package ledger

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestKilled kills processes in the middle of what they write: no number that one of them was
// given is given again, and the ledger stays readable.
func TestKilled(t *testing.T) {
	t.Parallel()
	if state := os.Getenv("SATCHEL_TEST_LEDGER"); state != "" {
		giveNumbers(t, At(state, "weekly"), os.Getenv("SATCHEL_TEST_ROUND"))
		return
	}
	const seed, rounds = 7, 12
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := At(t.TempDir(), "weekly")
	given := map[string]string{} // bundle by number
	for round := range rounds {
		cmd := proctest.Command(t, os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "SATCHEL_TEST_LEDGER="+s.state, fmt.Sprintf("SATCHEL_TEST_ROUND=%d", round))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan() // it has begun
		kill := time.AfterFunc(time.Duration(rnd.IntN(20_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		for ok := true; ok; ok = lines.Scan() {
			number, id, whole := strings.Cut(lines.Text(), " ")
			if !whole || !strings.HasSuffix(id, ".") { // cut off, or a word of the test's own
				continue
			}
			if other := given[number]; other != "" && other != id {
				t.Errorf("number %s is of %s and of %s", number, other, id)
			}
			given[number] = id
		}
		if err := lines.Err(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
		kill.Stop()
		l := s.mustRead(t)
		for _, b := range l.Bundles {
			if _, err := s.Content(b); err != nil {
				t.Errorf("after round %d: %v", round, err)
			}
		}
		if t.Failed() {
			t.Fatalf("%+v", l)
		}
	}
	if len(given) < rounds {
		t.Errorf("only %d numbers were given", len(given))
	}
}

// giveNumbers finishes one bundle after another, and says which number each got.
func giveNumbers(t *testing.T, s Store, round string) {
	c := content(t)
	for n := 0; ; n++ {
		id := fmt.Sprintf("round%s-%d", round, n)
		stream, number := s.mustReserve(t, Reservation{Bundle: id, Content: c})
		fmt.Printf("%d %s.\n", number, id)
		if err := s.Sealed(bundle.Seal{Bundle: id, Fingerprint: finger(number), Stream: stream, Sequence: number}, "/d"); err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 {
			if _, err := Confirm(s.state, string(finger(number)), Arrival{How: BySlip}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
