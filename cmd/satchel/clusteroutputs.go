package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// present are the kinds that the files of present objects are of.
func (s siteFlags) present() map[string][]string {
	of := map[string][]string{}
	for file, kinds := range map[string][]string{
		s.registryCA:  {"ConfigMap"},
		s.imageConfig: {"Image"},
		s.rules:       {"ImageContentSourcePolicy", "ImageDigestMirrorSet", "ImageTagMirrorSet"},
		s.catalogs:    {"CatalogSource"},
	} {
		if file != "" {
			of[file] = append(of[file], kinds...)
		}
	}
	return of
}

// outputs reads what the clusters are and opens a directory for each: OUTDIR itself for one, and
// OUTDIR/NAME for each of several, and for one of them where OUTDIR has such directories.
func (s siteFlags) outputs(a *app, job *unpack.Options) error {
	list, err := s.cluster.read(a)
	if err != nil {
		return err
	}
	if len(list) > 1 && (s.pullSecret != "" || len(s.present()) > 0) {
		return usage(fmt.Errorf("--pull-secret and the flags that begin with --present are of one cluster, and --from-cluster names %d", len(list)), "leave them out: --from-cluster has the same, but for the pull secret, which APPLY.md reads from the cluster")
	}
	if len(list) == 0 {
		list = append(list, nil)
	}
	if job.Site.Cluster, err = s.over(list[0]); err != nil || s.outDir == "" {
		return err
	}
	var named []outdir.Cluster
	for _, c := range list {
		one := outdir.Cluster{ID: c.ID()}
		if c != nil {
			one.Name = c.Name
		}
		named = append(named, one)
	}
	dirs, notes, err := outdir.ForClusters(s.outDir, named)
	if err != nil {
		return err
	}
	for _, note := range notes {
		a.warn("%s", note)
	}
	job.Out = dirs[0]
	for i, dir := range dirs[1:] {
		job.More = append(job.More, unpack.Output{Cluster: list[i+1], Dir: dir})
	}
	return nil
}

// maxPresent bounds a file of present objects, in bytes; an API server takes a few MiB of each.
const maxPresent = 32 << 20

// over is a cluster with what the files of present objects say, whatever else is known of it.
func (s siteFlags) over(c *manifests.Cluster) (*manifests.Cluster, error) {
	for file, kinds := range s.present() {
		data, err := durable.Read(file, maxPresent)
		if err != nil {
			return nil, usage(fmt.Errorf("read %s: %w", text.Printable(file), err), "")
		}
		if c, err = c.With(bytes.NewReader(data), kinds...); err != nil {
			return nil, usage(errors.New("read "+text.Printable(file)+": "+err.Error()), hintOf(err))
		}
	}
	return c, nil
}
