package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// stick is an exFAT drive that is put into a slot, removed from it as one should, or pulled.
type stick struct {
	t    testing.TB
	loop string // device
	slot string // directory where it is mounted; "" nowhere
}

// put mounts the drive on a directory.
func (s *stick) put(slot string) {
	s.t.Helper()
	if err := os.MkdirAll(slot, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if out, err := proctest.Command(s.t, "mount.exfat-fuse", s.loop, slot).CombinedOutput(); err != nil {
		s.t.Fatalf("mount %s on %s: %v %s", s.loop, slot, err, out)
	}
	s.slot = slot
}

// remove unmounts the drive; it fails if somebody has a file of it open.
func (s *stick) remove() {
	s.t.Helper()
	if s.slot == "" {
		return
	}
	if out, err := proctest.Command(s.t, "umount", s.slot).CombinedOutput(); err != nil {
		s.t.Fatalf("umount %s: %v %s", s.slot, err, out)
	}
	s.slot = ""
	s.gone(func(int) {})
}

// pull takes the drive out while it is used: whoever has a file of it open gets errors, what
// was not written is lost, and nothing is mounted there any more.
func (s *stick) pull() {
	s.gone(func(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }) // it may have ended
	if out, err := proctest.Command(s.t, "umount", "-l", s.slot).CombinedOutput(); err != nil {
		s.t.Errorf("umount -l %s: %v %s", s.slot, err, out)
	}
	s.slot = ""
}

// gone waits until the process has ended that is the file system of the drive.
func (s *stick) gone(end func(pid int)) {
	for range 2000 {
		pid := s.server()
		if pid == 0 {
			return
		}
		end(pid)
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Errorf("the file system of %s does not end", s.loop)
}

// server is the process that is the file system of the drive; 0 if there is none.
func (s *stick) server() int {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Error(err)
	}
	for _, line := range lines {
		body, err := os.ReadFile(line)
		var pid int
		if err == nil && strings.HasPrefix(string(body), "mount.exfat-fuse\x00"+s.loop+"\x00") {
			_, _ = fmt.Sscanf(line, "/proc/%d/cmdline", &pid) // the pattern has it
			return pid
		}
	}
	return 0
}

// pullAt pulls each of the drives when it has got so many bytes more. What it returns ends that,
// and gives those that were pulled.
func pullAt(of []*stick, more int64) (pulled func() []*stick) {
	end, done := make(chan struct{}), make(chan *stick)
	for _, s := range of {
		go func() {
			for at := bytesOn(s.slot) + more; bytesOn(s.slot) < at; {
				select {
				case <-end:
					done <- nil
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
			s.pull()
			done <- s
		}()
	}
	return func() (list []*stick) {
		close(end)
		for range of {
			if s := <-done; s != nil {
				list = append(list, s)
			}
		}
		return list
	}
}

// bytesOn are those of the files of bundles in the root of a drive, half ones too.
func bytesOn(root string) (n int64) {
	names, _ := filepath.Glob(filepath.Join(root, "satchel-*", "*")) // the pattern is right
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			n += info.Size()
		}
	}
	return n
}

// drives is a set that takes three small exFAT drives.
type drives struct {
	*world
	sticks []*stick
	slots  []string
	reads  *tap // of the source
	c      *ocitest.Content
	images map[string]oci.Descriptor
}

// newDrives has a set of 15 MiB, three drives of 8 MiB and three slots.
func newDrives(t *testing.T, seed uint64) *drives {
	t.Helper()
	c := ocitest.New(seed)
	s := newShelf(c)
	d := &drives{world: newWorld(t), c: c, images: map[string]oci.Descriptor{}}
	proxy, reads := s.slow(t, 8<<20)
	d.reads = reads
	var refs []string
	for i := range 3 {
		ref := fmt.Sprintf("team/app%d:v1", i)
		d.images[ref] = c.Image(false, c.Layer((2600+i)<<10, ocitest.LayerGzip), c.Layer((2500+i)<<10, ocitest.LayerGzip))
		s.tag(ref, d.images[ref])
		refs = append(refs, proxy.Host+"/"+ref)
		d.slots = append(d.slots, filepath.Join(d.dir, fmt.Sprint("slot", i+1)))
	}
	d.world.images(refs...)
	d.drive = d.slots[0]
	d.newSticks("original")
	return d
}

// newSticks has three new drives in place of those that are in the slots.
func (d *drives) newSticks(name string) {
	d.t.Helper()
	for _, s := range d.sticks {
		s.remove()
	}
	d.sticks = nil
	for i := range d.slots {
		d.sticks = append(d.sticks, d.stick(fmt.Sprint(name, i+1), 8))
	}
}

// put puts the drives into the slots, in this order; the others are in none.
func (d *drives) put(order ...int) {
	d.t.Helper()
	for _, s := range d.sticks {
		s.remove()
	}
	for i, n := range order {
		d.sticks[n].put(d.slots[i])
	}
}

// pulled runs a command that writes to drives, and pulls each of these in the middle, if it gets
// that far. It gives those that were pulled, and that are in no slot now.
func (d *drives) pulled(of []*stick, more int64, args []string) []*stick {
	d.t.Helper()
	d.reads.at(0, 0, nil) // the source is slow again
	ended := pullAt(of, more)
	r := d.run(args...)
	list := ended()
	if len(list) == 0 {
		d.t.Fatalf("none of %d drives was pulled: exit %d\n%s", len(of), r.code, r.stderr)
	}
	r.want(exitDrive)
	return list
}

// pullEach runs a command that writes to the drives in all slots, until each was pulled once, and
// again while they are away.
func (d *drives) pullEach(args []string) {
	d.t.Helper()
	most := int64(300 << 10) // the first one has nothing yet when it is pulled
	for left := slices.Clone(d.sticks); len(left) > 0; most = 600 << 10 {
		list := d.pulled(left, most, args)
		d.run(args...).want(exitDrive)
		for _, s := range list {
			s.put(d.slots[slices.Index(d.sticks, s)])
		}
		left = slices.DeleteFunc(left, func(x *stick) bool { return slices.Contains(list, x) })
	}
}

// ordersOf3 are all orders in which three drives come back. Without soak, three slots have the
// first half of them, and one slot has the other.
func ordersOf3() [][]int {
	return [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
}

// TestExFATThreeSlots packs onto three exFAT drives at once, copies them to a disk and from there
// to others, and unpacks those from the slots in every order. Each drive is pulled once in the
// middle of each of these.
func TestExFATThreeSlots(t *testing.T) {
	t.Parallel()
	d := newDrives(t, 98)
	d.put(0, 1, 2)
	pack := d.pack(append([]string{"--segment-size", "1MiB", "--lanes", "1"}, d.slots[1:]...)...)
	d.pullEach(pack)
	fp := strings.TrimSpace(d.run(pack...).want(exitOK).says("resuming", "everything is on the drives: ", "; unmount them, then they are safe to remove").stdout)
	d.run(append([]string{"verify", "--expect", fp}, d.slots...)...).want(exitOK)

	disk := filepath.Join(d.dir, "disk")
	d.run(append(append([]string{"copy"}, d.slots...), disk)...).want(exitOK)
	d.newSticks("copy")
	d.put(0, 1, 2)
	again := append([]string{"copy", "--limit-rate", "8MiB", disk}, d.slots...)
	d.pullEach(again)
	d.run(again...).want(exitOK).says("resuming")

	for n, order := range ordersOf3() {
		if n > 2 && os.Getenv("SATCHEL_SOAK") == "" {
			break
		}
		d.put(order...)
		to := registrytest.StartProxy(t, newMirror(t))
		writes := &tap{kind: "PUT upload"}
		writes.through(to)
		unpack := d.unpack(to.Host, append([]string{"--expect", fp, "--parallel-layers", "1"}, d.slots[1:]...)...)
		if n < len(d.sticks) { // this drive is pulled while it is read
			d.disturbed(writes, int64(n)*5<<20+1<<20, 0, func(*os.Process) { d.sticks[n].pull() }, unpack...).want(exitDrive)
			d.sticks[n].put(d.slots[slices.Index(order, n)])
		}
		d.run(unpack...).want(exitOK)
		compareAll(t, d.c, d.images, to.Host)
	}
}

// TestExFATOneSlot packs onto three exFAT drives that are put into one slot one after another,
// copies them to a disk and from there to others, and unpacks those on a terminal, put in in every
// order. Each drive is pulled once in the middle of each of these.
func TestExFATOneSlot(t *testing.T) {
	t.Parallel()
	d := newDrives(t, 99)
	slot, disk := d.slots[0], filepath.Join(d.dir, "disk")
	d.eachInTurn(d.pack("--segment-size", "1MiB", "--lanes", "1", "--drive-size", "6MiB"))
	for _, n := range []int{1, 0, 2} {
		d.put(n)
		d.run("copy", slot, disk).want(exitOK)
	}
	d.newSticks("copy")
	fp := d.eachInTurn([]string{"copy", "--limit-rate", "8MiB", disk, slot})
	for n, order := range ordersOf3() {
		if n > 2 || os.Getenv("SATCHEL_SOAK") != "" {
			d.unpackInTurn(t, order, fp, n == 4)
		}
	}
}

// eachInTurn runs a command that wants one drive after another in the first slot, pulls each in
// the middle, and gives the fingerprint that is printed at the end.
func (d *drives) eachInTurn(args []string) string {
	d.t.Helper()
	for n := range d.sticks {
		d.put(n)
		d.pulled(d.sticks[n:n+1], 1200<<10, args)
		d.run(args...).want(exitDrive) // it is away
		d.put(n)
		r := d.run(args...)
		if n == len(d.sticks)-1 {
			return strings.TrimSpace(r.want(exitOK).stdout)
		}
		r.want(exitDrive).says(fmt.Sprintf("-%d", n+2))
		if _, rest, ok := strings.Cut(r.stderr, "copy what is left: satchel copy "); ok {
			args = append([]string{"copy", "--limit-rate", "8MiB"}, strings.Fields(rest)...)
		}
	}
	return ""
}

// unpackInTurn unpacks from one slot, into which the drives come in an order, as often as it takes:
// the last one, which has the seal, is needed first. If pulled, each drive that is read is pulled
// in the middle, and put in again.
func (d *drives) unpackInTurn(t *testing.T, order []int, fp string, pulled bool) {
	t.Helper()
	last := slices.Index(order, 2)
	come := slices.Concat(order[:last+1], order[last+1:], order[:last]) // until all were read
	mirror := newMirror(t)
	to := registrytest.StartProxy(t, mirror)
	writes := &tap{kind: "PUT upload"}
	writes.through(to)
	if pulled { // each comes twice
		come = []int{come[0], come[0], come[1], come[1], come[2], come[2]}
	}
	put := func(n int) {
		d.put(come[n])
		if s := d.sticks[come[n]]; pulled && n%2 == 0 {
			writes.at(1<<20, 0, s.pull)
		}
	}
	put(0)
	b := &bench{t: t, dir: d.dir, env: d.command().Env}
	lines := slices.Repeat([]string{"\n"}, len(come)-1)
	code, said := b.typedAfter(func(n int) { put(n + 1) }, lines, d.unpack(to.Host, "--expect", fp, "--parallel-layers", "1")...)
	if code != exitOK {
		t.Fatalf("order %v: exit %d\n%s", order, code, said)
	}
	compareAll(t, d.c, d.images, mirror)
}
