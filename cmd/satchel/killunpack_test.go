package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestKillUnpack kills unpack by SIGKILL again and again.
func TestKillUnpack(t *testing.T) {
	rnd := seeded(t)
	source := newSource(t)
	c := ocitest.New(rnd.Uint64())
	images, _, _ := killSet(t, c, ocitest.New(99), source)
	w := newWorld(t)
	var refs []string
	for ref := range images {
		refs = append(refs, source+"/"+ref)
	}
	w.images(refs...)
	w.run(w.pack("--segment-size", "4MiB", "--lanes", "3")...).want(exitOK)
	before := listing(t, w.drive)
	unique, _ := needed(t, c, images)
	done, rounds := 0, 0
	for ; done < kills() && !t.Failed(); rounds++ {
		done += killUnpackRound(t, rnd, w, c, images, unique, kills()-done)
	}
	if after := listing(t, w.drive); !slices.Equal(before, after) {
		t.Error("unpack changed the drive")
	}
	t.Logf("%d kills in %d rounds", done, rounds)
}

func killUnpackRound(t *testing.T, rnd *rand.Rand, w *world, c *ocitest.Content, images map[string]oci.Descriptor, unique int64, most int) (kills int) {
	t.Helper()
	const parallel = 3
	largest := int64(killMiB(20) + 64<<10)
	mirror := registrytest.Start(t)
	proxy := registrytest.StartProxy(t, mirror.Host)
	k := &tap{kind: "PUT upload"}
	k.through(proxy)
	unpack := w.unpack(proxy.Host+"/in", "--parallel-layers", fmt.Sprint(parallel))
	for kills < min(most, 7) {
		bytes, requests, delay := moment(rnd, max(unique/8, unique-k.passed()))
		r, ended := w.killed(k, bytes, requests, delay, unpack...)
		if ended {
			r.want(exitOK)
			break
		}
		kills++
	}
	w.run(unpack...).want(exitOK)
	// A killed upload is begun again: as many blobs as are pushed at once.
	if bound := unique + int64(kills)*parallel*largest; k.passed() > bound {
		t.Errorf("after %d kills %d bytes of %d were pushed, at most %d are allowed", kills, k.passed(), unique, bound)
	}
	in := map[string]oci.Descriptor{}
	for ref, root := range images {
		in["in/"+ref] = root
	}
	compareAll(t, c, in, mirror.Host)
	rep := w.receiptsIn(proxy.Host + "/in")
	if len(rep.Receipts) != 1 || len(rep.Open) != 0 {
		t.Fatalf("after %d kills: %d receipts, %d open", kills, len(rep.Receipts), len(rep.Open))
	}
	if pushed, found := rep.Receipts[0].marks(); found != 0 || pushed == 0 {
		t.Errorf("after %d kills: %d pushed, %d found", kills, pushed, found)
	}
	return kills
}
