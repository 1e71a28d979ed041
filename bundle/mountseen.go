package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci/text"
)

// seen says that a drive was mounted somewhere when a copy was written to it: of a drive that
// pack writes to the journal says so. Or it says that from then on none is, whatever was before.
type seen struct {
	Point  string    `json:"point"`
	FS     string    `json:"fs,omitempty"`
	Bundle string    `json:"bundle,omitempty"`
	At     time.Time `json:"at"`
	Gone   bool      `json:"gone,omitempty"`
}

func seenDir(state string) string { return filepath.Join(state, "copies") }

// Remember notes below state that a drive is mounted there: another copy to the same place is
// then refused as long as none is. Of the system's own disks nothing is noted.
func (m Mount) Remember(state, id string) error {
	if state == "" || !m.on.Known() || m.on.System || media.IsSystemPoint(m.on.Point) {
		return nil
	}
	return seen{Point: m.on.Point, FS: m.on.FS, Bundle: id, At: time.Now().UTC()}.write(state)
}

// Forget notes below state that no drive will be mounted any more where this error says that one was, so that it is
// not said again; nothing else that this host knows of the bundles is lost. It does nothing for another reason.
func (e *MountError) Forget(state string) error {
	if e.Point == "" || state == "" {
		return nil
	}
	return seen{Point: e.Point, At: time.Now().UTC(), Gone: true}.write(state)
}

// isGone reports whether no drive is mounted at a point any more, as was said after a time.
func isGone(state, point string, after time.Time) bool {
	var at seen
	body, err := os.ReadFile(filepath.Join(seenDir(state), seenName(point)))
	return err == nil && json.Unmarshal(body, &at) == nil && at.Point == point && at.Gone && !at.At.Before(after)
}

func seenName(point string) string {
	sum := sha256.Sum256([]byte(point))
	return hex.EncodeToString(sum[:8]) + ".json"
}

func (at seen) write(state string) error {
	body, err := json.Marshal(at)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(seenDir(state), 0o700); err != nil {
		return err
	}
	d, err := media.OpenDir(seenDir(state))
	if err != nil {
		return err
	}
	return errors.Join(d.WriteFile(seenName(at.Point), body), d.Close())
}

// checkSeen finds a drive that was mounted at dir or above it when a copy was written to it, and
// is not now.
func (m Mount) checkSeen(path, state string, found []location) error {
	entries, err := os.ReadDir(seenDir(state))
	if err != nil || state == "" {
		//lint:ignore nilerr there are none
		return nil
	}
	for _, e := range entries {
		name := filepath.Join(seenDir(state), e.Name())
		var at seen
		body, err := os.ReadFile(name)
		if err != nil || !strings.HasSuffix(name, ".json") || json.Unmarshal(body, &at) != nil || at.Point == "" || at.Gone {
			continue // it is written again by the next copy
		}
		if !media.Within(path, at.Point) || media.Within(m.on.Point, at.Point) || m.on.FS != "" && m.on.FS == at.FS || holds(found, at.Bundle) {
			continue
		}
		return &MountError{Dir: m.dir, Point: at.Point,
			Reason: fmt.Sprintf("a drive was mounted at %s when bundle %s was copied there (%s), and it is not mounted now", at.Point, at.Bundle, text.Minute(at.At)),
			hint:   mountIt}
	}
	return nil
}

// EmptyPlace reports whether dir may be where a drive is mounted as a rule, and none is now: an
// empty directory on a disk of the system.
func (m Mount) EmptyPlace() bool {
	entries, err := os.ReadDir(m.dir)
	return err == nil && len(entries) == 0 && m.Doubt != ""
}
