package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Resume looks for the job's bundle in dir and dir/satchel-* and resumes
// it. It returns nil, nil if there is none and dir can take one. The error is a
// *[SealedError] if the job has finished bundles there, a *[NeedsError] if a newer version
// packed what is there, and a *[RefusedError] if something else stands in the way;
// nothing has been changed then. rehash may be nil.
func Resume(ctx context.Context, dir, state string, job Job, rehash Rehash) (*Writer, error) {
	if err := job.Check(); err != nil {
		return nil, err
	}
	found, err := find(dir)
	if err != nil {
		return nil, err
	}
	if found = orAdopted(found, dir, state); len(found) == 0 {
		if err := checkMissing(dir, state, job); err != nil {
			return nil, err
		}
		return nil, checkEmpty(dir)
	}
	root, err := media.IsMountRoot(dir)
	if err != nil {
		return nil, err
	}
	there := present{root: root}
	for _, p := range found {
		w, err := resume(ctx, p, state, job, rehash)
		if w != nil {
			return w, nil
		}
		there.add(err)
	}
	if err := there.answer(); err != nil {
		return nil, err
	}
	return nil, checkMissing(dir, state, job)
}

// orAdopted puts what the journal knows in the place of what drive.json does not say.
func orAdopted(found []location, dir, state string) []location {
	lost := slices.IndexFunc(found, func(p location) bool { return p.id == "" && !p.sealed })
	if len(found) > 0 && lost < 0 {
		return found
	}
	p := adopt(dir, state)
	switch {
	case p == nil:
	case len(found) == 0:
		found = []location{*p}
	case found[lost].dir == p.dir:
		found[lost] = *p
	}
	return found
}

func checkEmpty(dir string) error {
	if root, err := media.IsMountRoot(dir); err != nil || root {
		return err
	}
	name, err := firstOther(dir)
	if err != nil || name == "" {
		return err
	}
	return otherFiles(dir, name, " and no bundle")
}

// otherFiles refuses a directory that is not for a bundle alone.
func otherFiles(dir, name, besides string) error {
	return &RefusedError{Dir: dir, Reason: fmt.Sprintf("it holds other files (%s)%s", name, besides),
		hint: "name an empty or new directory, or the root of a drive"}
}

// resume takes the bundle's lock before it judges what is there: the run that has it may be
// about to finish it. It gives nil, nil if the bundle is gone.
func resume(ctx context.Context, p location, state string, job Job, rehash Rehash) (*Writer, error) {
	path := journalPath(state, p.id)
	jnl, st, err := journal.Open(path)
	if errors.Is(err, journal.ErrLocked) {
		return nil, busy(p.dir, path, ofOther(path, job))
	}
	now, lerr := p.again()
	if lerr == nil && now != nil {
		lerr = now.checkNeeds()
	}
	if lerr != nil || now == nil {
		if err == nil {
			lerr = errors.Join(lerr, jnl.Close())
		}
		return nil, lerr
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noJournal(*now)
	}
	if isNewer(err) && now.sealed {
		return nil, sealedOther(*now, "by a newer satchel")
	}
	if errors.Is(err, journal.ErrFormat) && !now.sealed {
		return nil, &RefusedError{Dir: p.dir, Reason: fmt.Sprintf("the unfinished bundle in it cannot be resumed: %v", err), Unfinished: true,
			hint: "delete it and start again, or name another directory"}
	}
	if err != nil {
		return nil, err
	}
	return now.resume(ctx, jnl, st, job, rehash)
}

// resume resumes a bundle whose journal is locked. The journal is closed with the writer, or
// at once on an error.
func (p location) resume(ctx context.Context, jnl *journal.Journal, st *journal.State, job Job, rehash Rehash) (*Writer, error) {
	how := job.differs(st.Begin)
	switch {
	case st.Sealed != nil && p.isEarlier():
		return nil, errors.Join(finishedDrive(p), jnl.Close())
	case !p.sealed && st.Sealed != nil && (how == "" || !p.wasSealed(st)):
		return nil, errors.Join(p.unsealed(st, how), jnl.Close())
	case !p.sealed && st.Sealed != nil:
		return nil, errors.Join(&RefusedError{Dir: p.dir, Reason: "it holds a bundle that was packed " + how + " and has lost its seal", hint: anotherDir, beside: true}, jnl.Close())
	case p.sealed && how == "":
		return nil, errors.Join(noteSeal(jnl, st, alreadySealed(p, st)), jnl.Close())
	case p.sealed:
		refused := sealedOther(p, how)
		if refused.Stream = job.otherStream(st.Begin); refused.Stream != "" {
			refused.hint = "name its stream to compare it with the configuration, or name another directory; satchel never deletes a finished bundle"
		}
		return nil, errors.Join(refused, jnl.Close())
	case how != "":
		refused := &RefusedError{Dir: p.dir, Reason: "it holds an unfinished bundle that was started " + how, Unfinished: true, beside: !job.continues(st.Begin),
			Stream: job.otherStream(st.Begin), hint: "run the original command to resume it, name another directory, or delete it and start again"}
		if refused.Stream != "" {
			refused.hint = "name its stream to resume it, name another directory, or delete it and start again"
		}
		return nil, errors.Join(refused, jnl.Close())
	}
	if st.Begin.Count() > 1 {
		return nil, errors.Join(&RefusedError{Dir: p.dir, Reason: fmt.Sprintf("it holds drive %s of an unfinished bundle on %d drives", seal.Label(p.id, max(p.drive, 1)), st.Begin.Count()), Unfinished: true,
			hint: "run the original command to resume it, name another directory, or delete it and start again"}, jnl.Close())
	}
	if err := jnl.Append(self(job.Command, p.dir)); err != nil {
		return nil, errors.Join(err, jnl.Close())
	}
	w, err := newWriter(jnl, st, job)
	if err != nil {
		return nil, err
	}
	if err := w.open(w.drives[0], p.dir); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.restore(ctx, w.drives[0], st.Session, rehash); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// unsealed says what a directory without a seal is whose bundle the journal calls sealed.
func (p location) unsealed(st *journal.State, how string) error {
	if p.wasSealed(st) {
		return lostSeal(p)
	}
	where := "elsewhere"
	if st.Session.Dir != p.dir {
		where = "in " + st.Session.Dir
	}
	return &RefusedError{Dir: p.dir, Reason: fmt.Sprintf("it holds an unfinished copy of bundle %s, which was finished %s", p.id, where), Unfinished: true, beside: how != "",
		hint: "use the finished bundle; to pack here, delete the unfinished copy and start again"}
}

// wasSealed reports whether this very directory had the seal that the journal knows of:
// an unfinished bundle may have been copied elsewhere and finished there.
func (p location) wasSealed(st *journal.State) bool {
	return p.complete && (p.copied || st.Session.Dir == p.dir)
}

// lostSeal reports that a finished bundle has no seal any more. What else it has must
// not be touched: its fingerprint is on paper already.
func lostSeal(p location) error {
	what := "is missing, and the bundle was finished"
	if p.copied {
		what += ": copy/bundle.json is its copy"
	}
	return &DamageError{Dir: p.dir, Faults: []Fault{{seal.BundleName, what}}}
}

// busy says who writes a bundle.
func busy(dir, journal string, beside bool) error {
	return &RefusedError{Dir: dir, Reason: "another satchel is writing this bundle" + process(journal), Busy: true, hint: waitForIt, beside: beside}
}

// alreadySealed holds the seal on the drive against the one that was written.
func alreadySealed(p location, st *journal.State) error {
	body, err := p.readSeal()
	if err != nil {
		return err
	}
	fp := seal.Sum(body)
	if st.Sealed != nil && st.Sealed.Fingerprint != fp {
		return &DamageError{Dir: p.dir, Faults: []Fault{{seal.BundleName, "is not the one that was written"}}}
	}
	return sealedError(p, body, st)
}

// noteSeal has a journal say that its bundle was found sealed, which it does not after a
// crash between the two, or a full disk: the bundle would count as interrupted for ever.
func noteSeal(jnl *journal.Journal, st *journal.State, found error) error {
	var done *SealedError
	if st.Sealed != nil || !errors.As(found, &done) {
		return found
	}
	if err := jnl.Append(journal.Record{Sealed: &journal.Sealed{Fingerprint: string(done.Fingerprint), Created: done.Created}}); err != nil {
		return err
	}
	return found
}

func noJournal(p location) error {
	if p.id == "" {
		return &RefusedError{Dir: p.dir, Reason: "its drive.json is not one of satchel's, or is damaged",
			hint: "name another directory"}
	}
	if p.isEarlier() {
		return finishedDrive(p)
	}
	if p.sealed {
		return sealedOther(p, "on another host, or its state on this host was deleted")
	}
	return &RefusedError{Dir: p.dir, Reason: "it holds an unfinished bundle that was started on another host, or its state on this host was deleted", Unfinished: true,
		hint: "resume it on the host where it was started, name another directory, or delete it and start again"}
}

func sealedOther(p location, how string) *RefusedError {
	return &RefusedError{Dir: p.dir, Reason: "it holds a finished bundle that was packed " + how,
		hint: anotherDir, beside: true}
}

const anotherDir = "name another directory, such as a new one on the same drive; satchel never deletes a finished bundle"
