package unpack

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/transport"
)

// wasInterrupted has every blob looked at where an unpack of any bundle into this mirror
// began on this host and did not end: manifests are no proof then.
func (u *unpacking) wasInterrupted() {
	if u.State == "" || u.Verify != transport.VerifyManifests {
		return
	}
	begun, err := filepath.Glob(filepath.Join(filepath.Dir(u.place("begun")), "begun-*"))
	if err != nil || len(begun) == 0 {
		return
	}
	u.Info("an earlier unpack into this mirror did not end: every blob is looked at")
	u.mirror.Verify = transport.VerifySizes
}

// begun notes that the mirror is being written.
func (u *unpacking) begun() {
	file := u.place("begun")
	if file == "" {
		return
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		u.Warn("it cannot be recorded that this unpack has begun: %v", err)
	}
}

// ended takes the note back.
func (u *unpacking) ended() {
	if file := u.place("begun"); file != "" {
		_ = os.Remove(file) // if it stays, more is looked at than needed
	}
}
