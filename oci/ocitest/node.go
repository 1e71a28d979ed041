package ocitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Pull is the pull of one image by a node that demands signatures.
type Pull struct {
	Image       string // as pods name it, by digest
	Policy      string // the file policy.json
	RegistriesD string // the directory registries.d
	Registries  string // the file registries.conf
	Arch        string // of the node; "" for that of this host
}

// Accepted is what [Judge] gives for an image whose signatures a node accepts.
const Accepted = "accepted"

// Judge says of each pull whether a node accepts the signatures: [Accepted], or why not. The
// library that nodes judge by is in manifests/policytest, a module of its own; root is the top
// of this one.
func Judge(ctx context.Context, root string, pulls []Pull) ([]string, error) {
	var in, out, said bytes.Buffer
	for _, p := range pulls {
		body, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&in, "%s\n", body)
	}
	cmd := exec.CommandContext(ctx, "go", "run", "-tags", "containers_image_openpgp", ".")
	cmd.Dir, cmd.Env = filepath.Join(root, "manifests", "policytest"), append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("judge signatures as a node: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	list := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(list) != len(pulls) {
		return nil, fmt.Errorf("judge signatures as a node: %d answers for %d images", len(list), len(pulls))
	}
	return list, nil
}
