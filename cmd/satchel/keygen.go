package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

func newKeygen(a *app) *cobra.Command {
	var file string
	var postQuantum bool
	cmd := &cobra.Command{
		Use:   "keygen --file FILE",
		Short: "Create a key: the secret one into a file, the recipient on stdout",
		Long: `keygen creates an age key. The secret key goes into FILE, which only its owner may
read and which is never overwritten; create it where bundles are unpacked and leave
it there. The recipient, printed on stdout, is public: pack needs it.`,
		Example: "  satchel keygen --file inside.key > inside.pub",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return usage(errors.New("keygen needs --file FILE"), "name the file that the secret key goes into")
			}
			return runKeygen(a, file, postQuantum)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "`FILE` for the secret key")
	cmd.Flags().BoolVar(&postQuantum, "post-quantum", false, "create a post-quantum key (ML-KEM-768 with X25519); needs age 1.3 with standard tools")
	return cmd
}

func runKeygen(a *app, file string, postQuantum bool) error {
	identity, recipient, err := bundle.GenerateKey(postQuantum)
	if err != nil {
		return err
	}
	err = durable.Create(file, fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), recipient, identity))
	if errors.Is(err, fs.ErrExist) {
		return usage(fmt.Errorf("write key: %s already exists", file), "a key is never overwritten; name another file")
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return usage(fmt.Errorf("write key: %w", err), "name a file in an existing directory that this user may write to (--file FILE)")
	}
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = fmt.Fprintln(a.stdout, recipient)
	return err
}
