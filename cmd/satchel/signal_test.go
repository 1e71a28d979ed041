package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// stubborn is a program that never ends by itself once it was asked to.
func stubborn() {
	a := &app{stderr: os.Stderr}
	ctx, _ := interruptible(a)
	if _, err := a.openCache().Put("text/plain", []byte("for this run alone")); err != nil {
		fmt.Println(err)
	}
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("asked")
	select {}
}

// TestSecondInterrupt shows that the second Ctrl-C ends a program that is still
// busy with the first, and leaves nothing that was stored for that run alone.
func TestSecondInterrupt(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd, temp := proctest.Command(t, "stubborn"), t.TempDir()
		cmd.Env = append(os.Environ(), "TMPDIR="+temp, "XDG_CACHE_HOME="+os.DevNull+"/cache")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		rescue := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for _, want := range []string{"ready", "asked"} {
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("got %q, want %q: %v", lines.Text(), want, lines.Err())
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) != 1 {
				t.Errorf("stored for this run: %v, %v", left, err)
			}
			time.Sleep(2 * bounce) // a person's second thought, no echo of the first signal
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || time.Since(began) > 2*time.Second {
			t.Errorf("after the second %v: %v, %v", signal, err, time.Since(began))
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		rescue.Stop()
	}
}

// TestInterrupt stops pack and unpack by Ctrl-C: nothing that was fetched is
// fetched again.
func TestInterrupt(t *testing.T) {
	source, mirror := registrytest.Start(t), registrytest.Start(t)
	from, to := registrytest.StartProxy(t, source.Host), registrytest.StartProxy(t, mirror.Host)
	reads, writes := &tap{kind: "GET blob", rate: sourceRate}, &tap{kind: "PUT upload"}
	reads.through(from)
	writes.through(to)
	c := ocitest.New(41)
	root := c.Image(false, c.Layer(24<<20, ocitest.LayerGzip), c.Layer(24<<20, ocitest.LayerGzip), c.Layer(100<<10, ocitest.LayerGzip))
	push(t, c, root, source.Host, "some/app", "v1")
	w := newWorld(t)
	w.drive += " of mine"
	w.images(from.Host + "/some/app:v1")
	pack := w.pack("--segment-size", "4MiB", "--lanes", "2", "--parallel-layers", "2")

	r := w.interrupted(reads, 30<<20, append(pack, "--restart")...)
	resume := "satchel " + strings.Join(pack[:6], " ") + " '" + w.drive + "' " + strings.Join(pack[7:], " ")
	r.says("satchel: interrupted", "hint: resume with: "+resume+"\n")
	if r.stdout != "" {
		t.Errorf("an interrupted pack prints %q", r.stdout)
	}
	w.run("verify", w.drive).want(exitDamaged).says("unfinished")
	// What the line says is run as it stands, by a shell.
	_, line, _ := strings.Cut(r.stderr, "hint: resume with: ")
	line, _, _ = strings.Cut(line, "\n")
	sh := w.command()
	sh.Path, sh.Args = "/bin/sh", []string{"sh", "-c", line}
	var stderr bytes.Buffer
	sh.Stderr = &stderr
	reads.at(0, 0, nil)
	if err := sh.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, stderr.String())
	}
	if served, most := reads.passed(), c.Size()+5*socketBytes; served > most {
		t.Errorf("the source served %d bytes of %d, at most %d are allowed: something durable was lost", served, c.Size(), most)
	}
	w.run("verify", w.drive).want(exitOK)

	unpack := w.unpack(to.Host+"/in", "--parallel-layers", "1")
	w.interrupted(writes, 30<<20, unpack...).says("hint: resume with: satchel unpack -i")
	w.run(unpack...).want(exitOK)
	if sent, most := writes.passed(), c.Size()+24<<20+socketBytes; sent > most {
		t.Errorf("%d bytes of %d were pushed, at most %d are allowed", sent, c.Size(), most)
	}
	compareAll(t, c, map[string]oci.Descriptor{"in/some/app:v1": root}, mirror.Host)
}

// interrupted runs a command and sends it SIGINT at a mark of the tap.
func (w *world) interrupted(k *tap, mark int64, args ...string) result {
	w.t.Helper()
	r := w.disturbed(k, mark, 0, func(p *os.Process) { _ = p.Signal(os.Interrupt) }, args...).want(exitInterrupted)
	if r.took > 30*time.Second {
		w.t.Errorf("it took %v to stop", r.took)
	}
	return r
}

// TestTwoInterruptsAtOnce leaves a bundle that can be resumed.
func TestTwoInterruptsAtOnce(t *testing.T) {
	c := ocitest.New(42)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate)
	s.tag("x:v1", c.Image(false, c.Layer(16<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(proxy.Host + "/x:v1")
	p := w.prepare(w.pack("--segment-size", "4MiB")...)
	ready, sent := make(chan struct{}), make(chan struct{})
	k.at(9<<20, 0, func() { close(ready) })
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	arrives(t, ready)
	go func() {
		defer close(sent)
		for p.cmd.Process.Signal(os.Interrupt) == nil {
			time.Sleep(200 * time.Microsecond)
		}
	}()
	p.wait().want(exitInterrupted)
	<-sent
	k.at(0, 0, nil)
	w.run(w.pack("--segment-size", "4MiB")...).want(exitOK).says("resuming")
	w.run("verify", w.drive).want(exitOK)
}

// arrives waits for what a program does when it gets somewhere.
func arrives(t testing.TB, there <-chan struct{}) {
	t.Helper()
	select {
	case <-there:
	case <-time.After(proctest.Limit):
		t.Fatal("the program did not get to where it should be disturbed")
	}
}

// compareAll compares every image with what the registry has of it.
func compareAll(t testing.TB, c *ocitest.Content, images map[string]oci.Descriptor, host string) {
	t.Helper()
	for ref, root := range images {
		i := strings.LastIndex(ref, ":")
		if err := ocitest.Compare(context.Background(), c, root, "http://"+host, ref[:i], ref[i+1:]); err != nil {
			t.Error(err)
		}
	}
}

// stopSupplement makes a supplement, and is stopped before.
func (w *world) stopSupplement(t *testing.T, stop func(n int, args []string)) {
	t.Helper()
	hurt := filepath.Join(w.dir, "hurt")
	if err := errors.Join(os.CopyFS(hurt, os.DirFS(w.drive)), os.Remove(filepath.Join(hurt, "s-00-00001.age"))); err != nil {
		t.Fatal(err)
	}
	args := []string{"repair", "--from-source", "--lost", hurt, "-c", w.config, "-r", w.recipient, "--tls-verify=false", filepath.Join(w.dir, "more")}
	stop(1, args)
	w.run(args...).want(exitOK)
}

// TestInterruptAnywhere sends Ctrl-C at the n-th request of pack and of unpack,
// for many n, and wants the same end every time.
func TestInterruptAnywhere(t *testing.T) {
	c := ocitest.New(43)
	s := newShelf(c)
	from := registrytest.StartProxy(t, s.listen(t))
	reads, writes := &tap{kind: "GET blob"}, &tap{kind: "PUT upload"}
	reads.through(from)
	root := c.Kinds()["many"]
	s.tag("x:v1", root)
	stop := func(w *world, k *tap, n int, args []string) {
		t.Helper()
		r := w.disturbed(k, 0, n, func(p *os.Process) {
			_ = p.Signal(os.Interrupt)       // it may have ended
			time.Sleep(5 * time.Millisecond) // so that it comes before the answer
		}, args...)
		if r.code == exitOK {
			return
		}
		r.want(exitInterrupted).says("satchel: interrupted", "hint: resume with: satchel "+args[0])
	}
	w := newWorld(t)
	w.images(from.Host + "/x:v1")
	for n := 1; n < 100; n += 9 {
		stop(w, reads, n, w.pack())
	}
	reads.at(0, 0, nil)
	w.run(w.pack()...).want(exitOK)
	w.run("verify", w.drive).want(exitOK)
	w.stopSupplement(t, func(n int, args []string) { stop(w, reads, n, args) })
	reads.at(0, 0, nil)
	mirror := newMirror(t)
	to := registrytest.StartProxy(t, mirror)
	writes.through(to)
	for n := 1; n < 150; n += 11 {
		stop(w, writes, n, w.unpack(to.Host))
	}
	writes.at(0, 0, nil)
	w.run(w.unpack(to.Host)...).want(exitOK)
	compareAll(t, c, map[string]oci.Descriptor{"x:v1": root}, mirror)
}

// TestInterruptedVerification stops pack while it reads the finished bundle back.
// The next run must not say that there is nothing to do about a bundle that was
// never verified, or must verify it.
func TestInterruptedVerification(t *testing.T) {
	c := ocitest.New(44)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("x:v1", c.Image(false, c.Layer(64<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(host + "/x:v1")
	p := w.start(w.pack()...)
	for !exists(w.drive+"/bundle.json") && time.Since(p.began) < 20*time.Second {
		time.Sleep(100 * time.Microsecond)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if r := p.wait(); r.code == exitOK {
		t.Skip("it ended before it could be stopped")
	}
	segment := w.drive + "/s-00-00001.age"
	body := readFile(t, segment)
	body[len(body)/2] ^= 1
	if err := os.WriteFile(segment, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.run(w.pack()...); r.code != exitDamaged {
		t.Errorf("a bundle that was never verified, and is damaged: exit %d\n%s", r.code, r.stderr)
	}
}

// TestTwoPacks has two processes pack into one directory.
func TestTwoPacks(t *testing.T) {
	c := ocitest.New(45)
	s := newShelf(c)
	proxy, k := s.slow(t, sourceRate/2)
	s.tag("x:v1", c.Image(false, c.Layer(24<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(proxy.Host + "/x:v1")
	ready, others := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(others) })
	defer goOn()
	k.at(4<<20, 0, func() {
		close(ready)
		<-others
	})
	p := w.start(w.pack()...)
	arrives(t, ready)
	w.run(w.pack()...).want(exitUsage).says("another satchel is writing this bundle", "hint: wait until it has finished")
	w.run(w.pack("--restart")...).want(exitUsage).says("another satchel is writing this bundle")
	goOn()
	p.wait().want(exitOK)
	w.run("verify", w.drive).want(exitOK)
}

// TestBrokenConnections breaks connections on both sides; nobody has to run
// anything again for that.
func TestBrokenConnections(t *testing.T) {
	source, mirror := registrytest.Start(t), registrytest.Start(t)
	from, to := registrytest.StartProxy(t, source.Host), registrytest.StartProxy(t, mirror.Host)
	c := ocitest.New(46)
	root := c.Image(false, c.Layer(9<<20, ocitest.LayerGzip), c.Layer(1<<20, ocitest.LayerGzip))
	push(t, c, root, source.Host, "some/app", "v1")
	w := newWorld(t)
	w.images(from.Host + "/some/app:v1")
	from.Drop("GET blob", 300<<10, 3)
	w.run(w.pack()...).want(exitOK)
	if served := from.BlobBytes(); served > c.Size()+4*socketBytes {
		t.Errorf("%d bytes of %d were fetched", served, c.Size())
	}
	to.Drop("PUT upload", 300<<10, 2)
	w.run(w.unpack(to.Host + "/in")...).want(exitOK)
	compareAll(t, c, map[string]oci.Descriptor{"in/some/app:v1": root}, mirror.Host)
}
