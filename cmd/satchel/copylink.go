package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/copying"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/oci/text"
)

// linkFlags are of copy into the directory of a one-way link.
type linkFlags struct {
	dir, only string
	most      int64
}

// list reads --only: a list, or the file that has one.
func (l linkFlags) list() (list *bundle.LinkList, err error) {
	if l.only == "" {
		return nil, nil
	}
	typed := l.only
	if _, err := os.Stat(l.only); err == nil || !strings.ContainsAny(l.only, " \t") { // a long list is no name that a system takes
		body, err := durable.Read(l.only, durable.MaxGiven)
		if errors.Is(err, fs.ErrNotExist) {
			if parsed, perr := bundle.ParseLinkList(typed); perr == nil { // the one word that asks for the manifest
				return &parsed, nil
			}
			return nil, usage(fmt.Errorf("--only: there is no file %s, and it is no list", l.only), "name the file that satchel missing wrote (--list), or give the line that it printed, in quotes")
		}
		if err != nil {
			return nil, fmt.Errorf("read the list of link files: %w", err)
		}
		typed = string(body)
	}
	parsed, err := bundle.ParseLinkList(typed)
	return &parsed, usage(wrap("--only", err), "give the line that satchel missing printed on the other side, or the file that it wrote (--list)")
}

// largest gives the size of the largest file: a list has that of the first sending, but for one
// that asks for the manifest. Another manifest than the first would make of no use what has arrived.
func (l linkFlags) largest(list *bundle.LinkList) (int64, error) {
	if l.most > 0 && l.most < leastFile {
		return 0, usage(fmt.Errorf("--max-file-size %d: with files below 64KiB there would be too many", l.most), "the manifest, which has the small files of the bundle in it, is one file all the same")
	}
	if list == nil {
		return cmp.Or(l.most, bundle.MaxLinkFile), nil
	}
	most, ok := list.Most()
	if !ok && l.most == 0 {
		return 0, usage(errors.New("the list asks for the manifest, and cannot say in files of which size the bundle was sent first"), sizeOfFirst)
	}
	return cmp.Or(l.most, most), nil
}

// leastFile is the least size of the largest file of a link.
const leastFile = 64 << 10

var sizeOfFirst = fmt.Sprintf("add --max-file-size with the size that was given then; %d if none was", int64(bundle.MaxLinkFile))

// wrap says what an error is of.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// sent is what copy --link has done.
type sent struct {
	ended
	copying.Sent
}

func runLink(ctx context.Context, a *app, o copyOptions, src []string) error {
	said := &sent{}
	if err := a.tellMachines(o.output, said); err != nil {
		return err
	}
	list, err := o.link.list()
	if err != nil {
		return err
	}
	most, err := o.link.largest(list)
	if err != nil {
		return err
	}
	want, err := o.trust.wanted(o.expect)
	if err != nil {
		return err
	}
	from, err := a.choose(ctx, src, wanted{want.Expect, o.bundle, want.Trust})
	if err != nil {
		return err
	}
	done, err := copying.Send(ctx, copying.SendOptions{
		From: from, Into: o.link.dir, Only: list, Want: want, Most: most, Rate: o.limitRate, To: a.notices(),
	})
	if done != nil {
		said.Sent = *done
	}
	if left, ok := bundle.LinkLeft(err); ok {
		a.goOn = a.commandWith([]string{"--only", left.String()}, "--only")
		if ctx.Err() == nil {
			a.info("to go on where it stopped: %s", a.goOn)
		}
	}
	if err != nil {
		return err
	}
	wrote := "the manifest"
	if done.Files > 0 {
		wrote = text.Count(done.Files, "file", "files") + ", and the manifest"
	}
	a.info("written for the link into %s: %s", o.link.dir, wrote)
	if done.Fingerprint == "" {
		a.info("no fingerprint is printed: it is of the seal, which is on the last drive")
		return nil
	}
	return a.showFingerprint(done.Fingerprint)
}
