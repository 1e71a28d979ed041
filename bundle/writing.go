package bundle

import (
	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// Writing reports whether another process of this host, whose journals are below state, is
// writing the unfinished bundle in dir, and which one: ": process 7, since ...", "" if it
// has not said so.
func Writing(dir, state string) (who string, running bool) {
	p, err := look(dir)
	if err != nil || p == nil || p.id == "" {
		return "", false
	}
	path := journalPath(state, p.id)
	if !journal.Locked(path) {
		return "", false
	}
	return process(path), true
}
