package release

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
)

// withRunning adds the releases that clusters run to those that graphs gave, each once.
func withRunning(c *imageset.Config, list []chosen) []chosen {
	named, _ := oci.ParseRef(c.Mirror.Platform.Release)
	for _, r := range c.Extra.Running {
		why := oci.Reason{Kind: origin.KindRunning, Name: r.Why}
		same := func(n chosen) bool { return r.Ref.Digest != "" && n.Payload.Digest == r.Ref.Digest }
		if i := slices.IndexFunc(list, same); i >= 0 {
			list[i].why = append(list[i].why, why)
			continue
		}
		if named.Digest != "" && named.Digest == r.Ref.Digest {
			continue // mirror.platform.release has it
		}
		n := chosen{why: []oci.Reason{why}, running: true}
		n.Payload = r.Ref
		list = append(list, n)
	}
	return list
}

// readPayload reads the payload. Of one that a cluster runs, and that is not for the platforms of
// the configuration, it takes all that it is for.
func (n chosen) readPayload(ctx context.Context, c *imageset.Config, from ask.Images, brought signature.Keyring) (*release, error) {
	r, err := readRelease(ctx, c, n.Payload, from, brought)
	var other *oci.PlatformError
	if n.running && errors.As(err, &other) {
		all := *c
		all.Mirror.Platform.Platforms = nil
		return readRelease(ctx, &all, n.Payload, from, brought)
	}
	return r, err
}
