package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// mostListed is how many bundles of a drive a message lists.
const mostListed = 20

// addBundle defines the flag that names a bundle by its ID.
func addBundle(f *pflag.FlagSet, id *string) {
	f.Var(givenValue{id, "ID"}, "bundle", "of several bundles on a drive, the one with this `ID`")
}

// wanted says which bundle of a drive is meant.
type wanted struct {
	expect bundle.Fingerprint // empty: any
	id     string             // empty: any
	trust  *bundle.Trust      // of several copies, those that it accepts come first; nil: of nobody
}

// noSuchBundleError says that a drive has bundles, but not the one that is meant.
type noSuchBundleError struct {
	dir    string
	wanted wanted
	list   []bundle.Found
}

func (e *noSuchBundleError) Error() string {
	what := "the ID " + e.wanted.id
	if e.wanted.id == "" {
		what = "the fingerprint " + string(e.wanted.expect)
	}
	if len(e.list) == 1 {
		return fmt.Sprintf("the bundle in %s does not have %s: it is %s", e.dir, what, described(e.dir, e.list))
	}
	return fmt.Sprintf("none of the %d bundles in %s has %s: %s", len(e.list), e.dir, what, described(e.dir, e.list))
}

// Hint says what to do now.
func (e *noSuchBundleError) Hint() string {
	if e.wanted.expect != "" {
		return "do not use this drive: it does not have the bundle that the fingerprint is of; compare the fingerprint with the slip that came with it"
	}
	return "look at what is on the drive (satchel list DRIVE), and at the slip that came with it"
}

// unfinished is the error of a directory in which nothing is finished: it may be a supplement of the bundle that is meant.
func (e *noSuchBundleError) unfinished() error {
	for _, f := range e.list {
		if !as[*bundle.UnfinishedError](f.Err) {
			return e
		}
	}
	return e.list[0].Err
}

// described lists bundles, each by its directory, with ID and date.
func described(dir string, list []bundle.Found) string {
	var names []string
	for _, f := range list {
		names = append(names, fmt.Sprintf("%s (%s)", below(dir, f.Dir), strings.Join(attributes(f), ", ")))
	}
	return text.Some(names, mostListed)
}

// attributes says which bundle it is.
func attributes(f bundle.Found) []string {
	list := []string{"no readable ID"}
	if f.Bundle != "" {
		list = []string{f.Bundle}
	}
	if !f.Created.IsZero() {
		list = append(list, "packed "+text.Minute(f.Created))
	}
	if f.Of > 0 {
		list = append(list, fmt.Sprintf("drive %d of %d", f.Drive, f.Of))
	}
	switch {
	case f.Running && f.Err != nil:
		list = append(list, "being written")
	case !f.Sealed:
		list = append(list, "unfinished")
	case f.Err != nil:
		list = append(list, "not whole")
	}
	return list
}

// found lists the bundles in dir, and of several those that are meant. None at all is no error.
func (a *app) found(dir string, w wanted) ([]bundle.Found, error) {
	all, notes, err := bundle.List(dir, a.journals())
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		a.warn("%s", text.Printable(n))
	}
	id := strings.TrimPrefix(strings.ToLower(w.id), "satchel-")
	if len(all) == 0 || id == "" && (w.expect == "" || len(all) == 1) {
		return all, nil
	}
	var list []bundle.Found
	for _, f := range all {
		if id == "" && isExpected(f, all, w.expect) || id != "" && f.Bundle == id {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, &noSuchBundleError{dir, w, all}
	}
	return list, nil
}

// isExpected reports whether a bundle has the fingerprint, or is a drive of the one that has it.
func isExpected(f bundle.Found, all []bundle.Found, expect bundle.Fingerprint) bool {
	return f.Fingerprint == expect || f.Of > 0 && slices.ContainsFunc(all, func(o bundle.Found) bool { return o.Bundle == f.Bundle && o.Fingerprint == expect })
}

// journals is where the journals of this host are, "" if that is not known.
func (a *app) journals() string {
	state, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return ""
	}
	return state
}

// inUse finds out who is at work on the bundle in dir, after something was seen wrong with it.
func (a *app) inUse(dir string) error {
	list, _, _ := bundle.List(dir, a.journals()) // after an error, what was seen is what is said
	for _, f := range list {
		if f.Running && isDir(f.Dir, dir) {
			return &bundle.UnfinishedError{Dir: dir, Running: true, Who: f.Who}
		}
	}
	return nil
}

// warnInUse says that a sealed bundle may not have been read back yet.
func (a *app) warnInUse(f bundle.Found) {
	if f.Running && f.Err == nil {
		a.warn("another satchel is still at work on the bundle in %s%s: it may not have been read back yet", text.Printable(f.Dir), f.Who)
	}
}

// picked is the bundle that a directory stands for.
type picked struct {
	bundle string   // its ID, "" if that cannot be read
	of     int      // how many drives it has; 0 for one
	dirs   []string // of its drives

	created     time.Time // zero if it is not known
	supplements string    // the damaged bundle that it supplements, "" for none
}

// choose gives the directories of the bundle that a reader means by dirs: the only one there
// that is finished, the one that a flag names, or the one that someone at the terminal chooses.
// Several directories are of drives of one bundle.
func (a *app) choose(ctx context.Context, dirs []string, w wanted) ([]string, error) {
	all, err := a.chooseEach(ctx, dirs, w, true)
	if err != nil {
		return nil, err
	}
	if len(all) > 1 {
		if dir, ok := emptyOf(dirs); ok {
			return nil, &bundle.NoBundleError{Dir: dir}
		}
		return nil, usage(fmt.Errorf("%s and %s have different bundles, and one bundle is meant", dirs[0], dirs[len(dirs)-1]), "name the directory of one bundle, or of each drive of one that is on several")
	}
	return all[0].ways[0], nil
}

// emptyOf gives the first of the directories that holds no bundle.
func emptyOf(dirs []string) (string, bool) {
	i := slices.IndexFunc(dirs, func(dir string) bool {
		list, _, err := bundle.List(dir, "")
		return err == nil && len(list) == 0
	})
	if i < 0 {
		return "", false
	}
	return dirs[i], true
}

// chooseEach chooses by each directory, and puts together what are drives of one bundle. one says that all
// are of the bundle that the first one stands for.
func (a *app) chooseEach(ctx context.Context, dirs []string, w wanted, one bool) (all []choice, err error) {
	var of []picked
	named := w.id != "" || w.expect != ""
	w = byID(dirs, w)
	if len(dirs) > 1 {
		dirs = a.withoutLeftOvers(dirs, w)
	}
	for _, dir := range dirs {
		p, err := a.pick(ctx, dir, w)
		if other, ok := errors.AsType[*noSuchBundleError](err); ok && !named {
			return nil, other.unfinished()
		}
		if err != nil {
			return nil, err
		}
		if one && p.of > 0 {
			w.id, w.expect = p.bundle, "" // the drive may have another bundle too
		}
		i := slices.IndexFunc(of, func(o picked) bool { return p.of > 0 && o.bundle == p.bundle })
		if i < 0 {
			of = append(of, p)
			continue
		}
		of[i].dirs = append(of[i].dirs, p.dirs...)
	}
	if !one {
		return pairs(of), nil
	}
	for _, p := range of {
		all = append(all, choice{ways: [][]string{p.dirs}})
	}
	return all, nil
}

// byID names the bundle by its ID that the fingerprint is of, if there are several directories: of the
// drives of a bundle only the last one has the fingerprint.
func byID(dirs []string, w wanted) wanted {
	if w.expect == "" || w.id != "" || len(dirs) < 2 {
		return w
	}
	for _, dir := range dirs {
		list, _, _ := bundle.List(dir, "") // an error comes again
		for _, f := range list {
			if f.Fingerprint == w.expect && f.Of > 0 {
				w.id, w.expect = f.Bundle, ""
				return w
			}
		}
	}
	return w
}

// pick is choose for one directory. It gives an unfinished bundle too, with the error.
func (a *app) pick(ctx context.Context, dir string, w wanted) (picked, error) {
	all, err := a.found(dir, w)
	if err != nil || len(all) == 0 {
		return picked{dirs: []string{dir}}, err // opening it says what is wrong
	}
	list, drives := together(a.leaveLeftOvers(all))
	best := list[0]
	switch named := w.id != "" || w.expect != ""; {
	case len(list) == 1:
	case !named && isDir(list[0].Dir, dir): // a copy of one may be below it
	case onlyOne(list, named):
		best = a.takeOne(dir, list, drives, w.trust)
	default:
		n, err := a.ask(ctx, dir, list)
		if err != nil {
			return picked{}, err
		}
		best = list[n]
	}
	p := picked{bundle: best.Bundle, of: best.Of, created: best.Created, supplements: best.Supplements, dirs: []string{best.Dir}}
	for _, d := range drives[best.Dir] {
		p.dirs = append(p.dirs, d.Dir)
	}
	if as[*bundle.UnfinishedError](best.Err) {
		return p, best.Err // it says who writes it
	}
	a.warnInUse(best)
	a.chosen(dir, best, len(drives[best.Dir]))
	return p, nil
}

// chosen gives the directory of a bundle, and names it if it is not the one that was given. more is
// how many other drives of it are there.
func (a *app) chosen(dir string, f bundle.Found, more int) string {
	id := f.Bundle
	if id == "" {
		id = "without a readable ID"
	}
	switch {
	case more > 0:
		a.info("bundle %s: %d of its %d drives are in %s", id, more+1, f.Of, text.Printable(dir))
	case !isDir(f.Dir, dir):
		a.info("bundle %s in %s", id, text.Printable(f.Dir))
	}
	return f.Dir
}

// isDir reports whether a bundle's directory, which has an absolute path, is the one that was
// given.
func isDir(of, dir string) bool {
	abs, err := filepath.Abs(dir)
	return err == nil && abs == of
}

// onlyOne reports whether a list has one finished bundle alone, perhaps in several copies:
// unfinished ones cannot be read. named says that a flag has named it; otherwise one that
// another satchel is at work on leaves open which one is meant.
func onlyOne(list []bundle.Found, named bool) bool {
	if !named && slices.ContainsFunc(list, func(f bundle.Found) bool { return f.Running }) {
		return false
	}
	done, _ := finished(list)
	return len(done) == 1 && done[0].Sealed || len(done) > 0 && sameSeal(done)
}

// finished takes a list apart. Bundles that are being written count as neither unfinished nor
// readable: they are in done, without a fingerprint.
func finished(list []bundle.Found) (done, unfinished []bundle.Found) {
	for _, f := range list {
		if as[*bundle.UnfinishedError](f.Err) && !f.Running {
			unfinished = append(unfinished, f)
		} else {
			done = append(done, f)
		}
	}
	return done, unfinished
}

// takeOne gives the best copy of the one finished bundle of a list, and says what it leaves. drives are the other ones of
// each, by its directory.
func (a *app) takeOne(dir string, list []bundle.Found, drives map[string][]bundle.Found, trust *bundle.Trust) bundle.Found {
	done, unfinished := finished(list)
	pick := done[0]
	if len(done) > 1 {
		pick = bestCopy(done, drives, trust)
		a.info("%s", copies(dir, done, drives, pick))
	}
	if len(unfinished) > 0 {
		a.warn("%s is taken, and not what is unfinished in %s: %s", below(dir, pick.Dir), text.Printable(dir), described(dir, unfinished))
	}
	return pick
}

// copies says which copy of a bundle is taken.
func copies(dir string, list []bundle.Found, drives map[string][]bundle.Found, pick bundle.Found) string {
	where := func(f bundle.Found) string {
		if len(drives[f.Dir]) > 0 { // the directory that its drives stand in
			return below(dir, filepath.Dir(f.Dir))
		}
		return below(dir, f.Dir)
	}
	var others []string
	for _, f := range list {
		if f.Dir != pick.Dir {
			others = append(others, where(f))
		}
	}
	return fmt.Sprintf("bundle %s stands more than once in %s: %s is taken, and not %s", pick.Bundle, text.Printable(dir), where(pick), text.Some(others, mostListed))
}

// below names a bundle's directory as it is seen from the one that was given.
func below(dir, of string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return text.Printable(of)
	}
	name, err := filepath.Rel(abs, of)
	if err != nil || name == "." {
		name = of
	}
	return text.Printable(name)
}

// sameSeal reports whether all are one bundle.
func sameSeal(list []bundle.Found) bool {
	for _, f := range list {
		if f.Fingerprint == "" || f.Fingerprint != list[0].Fingerprint {
			return false
		}
	}
	return true
}

// ask lets someone at the terminal choose. Without a terminal it is an error that lists
// all: the first one may be last week's.
func (a *app) ask(ctx context.Context, dir string, list []bundle.Found) (int, error) {
	t := &terminal{}
	stderr, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(stderr.Fd())) || len(list) > mostListed || t.open() != nil {
		return 0, usage(fmt.Errorf("%s holds %d bundles: %s", dir, len(list), described(dir, list)),
			"name the one that you mean (--bundle ID, --expect FINGERPRINT), or its directory")
	}
	fmt.Fprintf(a.stderr, "%s holds %d bundles:\n", text.Printable(dir), len(list))
	for i, f := range list {
		fmt.Fprintf(a.stderr, "%3d  %s  %s, %s\n", i+1, below(dir, f.Dir), strings.Join(attributes(f), ", "), bundle.FormatSize(f.Size))
	}
	chosen := 0
	err := t.choose(ctx, fmt.Sprintf("Which one? (1-%d) ", len(list)), fmt.Sprintf("a number from 1 to %d", len(list)), func(s string) bool {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		chosen = n - 1
		return err == nil && n >= 1 && n <= len(list)
	})
	return chosen, err
}
