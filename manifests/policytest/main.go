// Command policytest says of images whether a node would accept their signatures, by the
// library that nodes judge them with.
//
// It reads lines of JSON (see ask) and writes one line for each: "accepted", or why not.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// ask is one image, and what a node has in /etc/containers.
type ask struct {
	Image       string // as pods name it, by digest
	Policy      string // policy.json
	RegistriesD string // the directory registries.d
	Registries  string // registries.conf
	Arch        string // of the node; "" for that of this host
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var a ask
		err := json.Unmarshal(in.Bytes(), &a)
		if err == nil {
			err = judge(context.Background(), a)
		}
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println("accepted")
	}
	if err := in.Err(); err != nil && err != io.EOF {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// judge does what a pull does before the first layer.
func judge(ctx context.Context, a ask) (err error) {
	sys := &types.SystemContext{SystemRegistriesConfPath: a.Registries, SystemRegistriesConfDirPath: a.Registries + ".d", RegistriesDirPath: a.RegistriesD, OSChoice: "linux", ArchitectureChoice: a.Arch}
	if a.Arch == "" {
		sys.ArchitectureChoice = runtime.GOARCH
	}
	policy, err := signature.NewPolicyFromFile(a.Policy)
	if err != nil {
		return err
	}
	rules, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer func() { err = first(err, rules.Destroy()) }()
	ref, err := docker.ParseReference("//" + a.Image)
	if err != nil {
		return err
	}
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return err
	}
	defer func() { err = first(err, src.Close()) }()
	found := image.UnparsedInstance(src, nil)
	body, mediaType, err := found.Manifest(ctx)
	if err != nil {
		return err
	}
	if manifest.MIMETypeIsMultiImage(mediaType) {
		list, err := manifest.ListFromBlob(body, mediaType)
		if err != nil {
			return err
		}
		d, err := list.ChooseInstance(sys)
		if err != nil {
			return err
		}
		found = image.UnparsedInstance(src, &d)
	}
	_, err = rules.IsRunningImageAllowed(ctx, found)
	return err
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
