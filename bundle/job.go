package bundle

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Job is what makes one run of pack the same as another.
type Job struct {
	Config      digest.Digest // of the configuration
	Recipients  []Recipient
	Plain       bool  // it is not encrypted, and has no recipients
	SegmentSize int64 // bytes
	Lanes       int
	Stream      string        // name of the stream, part of the job's identity; "" for none
	File        digest.Digest // of the configuration alone, where Config is of more than that; no part of the identity
	Supplement  *Supplement   // what the bundle supplements; nil for none. Config stands for it too
	Partial     bool          // it is only of a part of the configuration's images, which Config stands for too
	Baseline    *Baseline     // what the bundle need not carry; a resumed one keeps what it was begun with, so it is no part of the identity
	Spread      *Spread       // what goes on which drive; nil for one. A resumed one keeps what it was begun with
	DriveSize   int64         // the most bytes that each drive gets, 0 for all that is free; no part of the identity. A resumed one keeps what it was begun with
	Staging     bool          // each drive gets a directory in the one that was named; as DriveSize
	Gaps        []byte        // what is left out from the start, in the caller's words; no part of the job's identity
	Parity      ParityRatio   // the parity files that a drive gets when it is finished, which a forecast counts; no part of the identity
	Mounted     int           // how many drives are there at the same time until the bundle is finished: parity goes across no more, see [Writer.Across]; no part of the identity
	BeginAgain  string        // label of a drive that was begun and cannot come back: its bundle is not waited for; no part of the identity
	Signers     []*Signer     // who signs the seals; no part of the identity
	Version     string        // of satchel, noted where a bundle needs a feature; no part of the identity
	Command     string        // what is told another run that finds the bundle being written; no part of the identity either

	key *bundleKey
}

// bundleKey is a bundle key that no bundle has yet.
type bundleKey struct {
	recipient string
	files     map[string][]byte
}

// MakeKey makes the key of the bundle that [Create] begins, and so asks all that
// must be asked for that: passphrases, and what plugins need. Create
// does it otherwise. A job without encryption has none. Errors: *[MixedError], *[RecipientError].
func (j *Job) MakeKey() error {
	if j.Plain {
		j.key = &bundleKey{}
		return nil
	}
	files, recipient, err := keys.Make(j.Recipients)
	if err != nil {
		return err
	}
	j.key = &bundleKey{recipient: recipient, files: map[string][]byte{}}
	for i, body := range files {
		j.key.files[seal.KeyName(i+1)] = body
	}
	return nil
}

// Check reports what is wrong with a job.
func (j Job) Check() error {
	if err := j.CheckNumbers(); err != nil {
		return err
	}
	if j.Plain && len(j.Recipients) > 0 {
		return errors.New("recipients are given for a bundle that is not encrypted")
	}
	if err := j.Supplement.Fits(j); err != nil {
		return err
	}
	if !j.Plain && len(j.Recipients) == 0 {
		return errors.New("no recipient given")
	}
	return keys.CheckMix(j.Recipients)
}

// CheckNumbers reports what is wrong with the segment size and the lanes of a job.
func (j Job) CheckNumbers() error {
	if j.SegmentSize < MinSegmentSize || j.SegmentSize > MaxSegmentSize {
		return fmt.Errorf("segment size %s: it must be from 1MiB to 4GiB - 1, the most that FAT32 holds in a file", FormatSize(j.SegmentSize))
	}
	if j.Lanes < 1 || j.Lanes > MaxLanes {
		return fmt.Errorf("%d lanes are outside 1 to %d", j.Lanes, MaxLanes)
	}
	return nil
}

// recipients lists each once, and of passphrases how many there are.
func (j Job) recipients() []string {
	var list []string
	passphrases := 0
	for _, r := range j.Recipients {
		if r.IsPassphrase() {
			passphrases++
			list = append(list, fmt.Sprintf("%s %d", r.Text, passphrases))
		} else {
			list = append(list, r.Text)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// continues reports whether a bundle is of the job's configuration and stream. Journals of
// version 1 name no stream: they are of any.
func (j Job) continues(b journal.Begin) bool {
	return b.Config == j.Config && (b.Stream == "" || b.Stream == j.Stream)
}

// otherStream is the stream of a bundle of the same configuration, "" if it is of this one.
func (j Job) otherStream(b journal.Begin) string {
	if b.Config == j.Config && !j.continues(b) {
		return b.Stream
	}
	return ""
}

// differs says in which way another job began, "" if in none.
func (j Job) differs(b journal.Begin) string {
	switch {
	case b.Config != j.Config && b.Supplements != nil && j.Supplement != nil:
		return "for another list of what a bundle has lost"
	case b.Config != j.Config:
		return "with another configuration, list of images, mirror or baseline (another receipt, or none)"
	case !j.continues(b):
		return "for the stream " + b.Stream
	case b.Plain && !j.Plain:
		return "without encryption"
	case j.Plain && !b.Plain:
		return "with encryption"
	case !slices.Equal(b.Recipients, j.recipients()):
		return "for other recipients"
	case !keys.Fits(j.Recipients, b.KeyFiles):
		return "with another passphrase"
	case b.SegmentSize != j.SegmentSize:
		return fmt.Sprintf("with segments of %s", CompactSize(b.SegmentSize))
	case b.Lanes != LanesOf(j.Lanes, b.Count()):
		return fmt.Sprintf("with another number of lanes, %d", b.Lanes)
	}
	return ""
}
