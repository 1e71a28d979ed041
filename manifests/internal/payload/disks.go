package payload

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/oci"
)

// Disk is a file that machines boot from while a cluster is installed.
type Disk struct {
	Arch     string        `json:"arch"` // as releases write it
	Platform string        `json:"platform"`
	Format   string        `json:"format"` // such as iso, ova, qcow2.gz
	URL      string        `json:"url"`    // where it is published
	SHA256   digest.Digest `json:"sha256"`
}

// diskFormats are those that a person carries; the others are for clouds.
var diskFormats = []string{"iso", "ova", "pxe", "qcow2.gz", "raw.gz", "vhd.gz"}

var diskWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`) })

const (
	maxDisks = 256
	maxURL   = 1 << 10
)

// Disks reads which files machines boot from, of the release's own stream, sorted. Releases that
// do not say it have none.
func Disks(ctx context.Context, src oci.Source, image oci.Descriptor) ([]Disk, error) {
	body, err := readBoot(ctx, src, image)
	if err != nil || body == nil {
		return nil, err
	}
	list, err := parseDisks(body)
	if err != nil {
		return nil, &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: bootImages + ": " + err.Error()}
	}
	return list, nil
}

func parseDisks(body []byte) (list []Disk, err error) {
	var cm struct {
		Data struct {
			Stream string `json:"stream"`
		} `json:"data"`
	}
	if err := yaml.Unmarshal(body, &cm); err != nil {
		return nil, fmt.Errorf("it is not valid YAML: %w", err)
	}
	type file struct {
		Location string `json:"location"`
		SHA256   string `json:"sha256"`
	}
	var stream struct {
		Architectures map[string]struct {
			Artifacts map[string]struct {
				Formats map[string]map[string]file `json:"formats"`
			} `json:"artifacts"`
		} `json:"architectures"`
	}
	if err := json.Unmarshal([]byte(cm.Data.Stream), &stream); err != nil {
		return nil, fmt.Errorf("its key stream is not valid JSON: %w", err)
	}
	for arch, of := range stream.Architectures {
		for platform, artifacts := range of.Artifacts {
			for format, files := range artifacts.Formats {
				if !slices.Contains(diskFormats, format) {
					continue
				}
				for _, f := range files {
					list = append(list, Disk{arch, platform, format, f.Location, digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)})
				}
			}
		}
	}
	if len(list) > maxDisks {
		return nil, fmt.Errorf("it names %d disks", len(list))
	}
	for _, d := range list {
		if err := d.Check(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b Disk) int {
		return cmp.Or(cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Format, b.Format), cmp.Compare(a.URL, b.URL))
	})
	return list, nil
}

// Check checks what was read of a disk.
func (d Disk) Check() error {
	at, err := url.Parse(d.URL)
	switch {
	case !diskWord().MatchString(d.Arch) || !diskWord().MatchString(d.Platform) || !diskWord().MatchString(d.Format):
		return fmt.Errorf("%.64q, %.64q, %.64q do not name a disk", d.Arch, d.Platform, d.Format)
	case err != nil || len(d.URL) > maxURL || at.Scheme != "https" && at.Scheme != "http":
		return fmt.Errorf("%.128q is no address of a disk", d.URL)
	}
	return oci.CheckDigest(d.SHA256)
}
