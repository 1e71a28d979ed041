package journal

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// TestCreateAndSweep creates journals while another run removes what never began: it takes
// a journal that is being created for that, and must not stop it.
func TestCreateAndSweep(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	var wg sync.WaitGroup
	done := make(chan struct{})
	names := make([]string, 100)
	for i := range names {
		names[i] = filepath.Join(state, fmt.Sprintf("id%d", i), "journal")
	}
	wg.Go(func() {
		for {
			for _, name := range names {
				Sweep(name)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for _, name := range names {
		j, err := Create(name, begin)
		if err != nil {
			t.Errorf("create: %v", err)
			continue
		}
		if err := j.Append(Record{Session: &Session{Dir: "/a"}}); err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if st := reopen(t, name); st.Session.Dir != "/a" {
			t.Errorf("session %+v", st.Session)
		}
	}
	close(done)
	wg.Wait()
}
