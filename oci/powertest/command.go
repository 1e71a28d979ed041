package powertest

import (
	"os"
	"path/filepath"
	"testing"
)

// At gives the directories of a command, by name: on the disk, and in what a loss left of it.
type At func(name string) string

// Command is a command that is run on a disk which loses power.
type Command struct {
	Tops   []string                        // its directories
	Before func(t *testing.T, at At)       // makes what it starts from; nil for nothing
	Run    func(t *testing.T, at At) error // runs it; again, after power is back
	Look   func(t *testing.T, at At)       // fails the test over what may not be before it is run again
	Whole  func(t *testing.T, at At)       // fails it unless all is there that the command makes
	// May says whether the next run may fail so after the device of Tops[0] has lost what it had said to be durable, as some do;
	// nil where that is not tried. It may never succeed with less than the whole.
	May func(err error) bool
}

// Lose runs the command once, and again after each of count losses of power, spread over all
// moments. With SATCHEL_SOAK they are twenty times as many.
func (p Command) Lose(t *testing.T, seed uint64, count int) {
	t.Helper()
	if os.Getenv("SATCHEL_SOAK") != "" {
		count *= 20
	}
	d := Mount(t, p.Tops...)
	if p.Before != nil {
		p.Before(t, d.Path)
	}
	d.Durable()
	from := d.Steps()
	if err := p.Run(t, d.Path); err != nil {
		t.Fatal(err)
	}
	p.Whole(t, d.Path)
	all := d.Steps() - from
	if all < 10 {
		t.Fatalf("the command did %d steps on the disk", all)
	}
	for i := range count {
		cut := Cut{After: from + (i*all+all/2)/count, Loss: Losses()[i%len(Losses())], Seed: seed + uint64(i)}
		if i%4 == 3 { // power stays on at one of them
			cut.Spare = p.Tops[i/4%len(p.Tops)]
		}
		if i%7 == 6 && p.May != nil {
			cut.Spare, cut.Early = "", map[string]int{p.Tops[0]: from + (cut.After-from)*(i%5)/5}
		}
		p.resumed(t, d, cut)
	}
	for i, loss := range []Loss{Nothing, Mixed} { // it said that all is done
		dir := t.TempDir()
		d.Lose(t, Cut{After: from + all, Loss: loss, Seed: seed + uint64(i)}, dir)
		p.Whole(t, func(name string) string { return filepath.Join(dir, name) })
		if t.Failed() {
			t.Fatalf("what it said to be done is not durable (%s)", loss)
		}
	}
}

// resumed runs the command again after one loss.
func (p Command) resumed(t *testing.T, d *Disk, cut Cut) {
	t.Helper()
	dir := t.TempDir()
	d.Lose(t, cut, dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	failed := t.Failed()
	defer func() {
		if t.Failed() && !failed {
			t.Logf("after %+v", cut)
		}
		_ = os.RemoveAll(dir)
	}()
	lied := cut.Early != nil
	if !lied {
		p.Look(t, at)
	}
	switch err := p.Run(t, at); {
	case err == nil:
		p.Whole(t, at)
	case !lied || !p.May(err):
		t.Fatalf("the next run: %v", err)
	}
}
