package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
)

// siteFlags are what the cluster has now, and where its YAML goes.
type siteFlags struct {
	outDir       string
	pullSecret   string
	registryCA   string
	imageConfig  string
	rules        string
	catalogs     string
	catalogNames []string
	pinImages    bool
	rule         ruleFlags
	cluster      clusterFlags
	nodes        nodeFlags
}

func addSiteFlags(f *pflag.FlagSet, s *siteFlags) {
	f.StringVar(&s.outDir, "output-dir", "", "`DIR` for the cluster's YAML; new, empty, or of an earlier run")
	f.StringVar(&s.pullSecret, "pull-secret", "", "the cluster's present pull secret, `FILE`: what it has for the mirror need not be added (oc extract secret/pull-secret -n openshift-config --to=-)")
	f.StringVar(&s.registryCA, "present-registry-ca", "", "the ConfigMap of registry authorities that the cluster uses now, `FILE`: the mirror's is added (oc get configmap NAME -n openshift-config -o yaml)")
	f.StringVar(&s.imageConfig, "present-image-config", "", "the cluster's image.config, `FILE`, to be checked against the mirror (oc get image.config.openshift.io/cluster -o yaml)")
	f.StringVar(&s.rules, "present-rules", "", "the rules that the cluster has now, `FILE`: the new ones are added to them, and none is dropped (oc get icsp,idms,itms -o yaml)")
	f.StringVar(&s.catalogs, "present-catalog-sources", "", "the CatalogSources that the cluster has now, `FILE`: one that serves a catalog of the bundle keeps its name (oc get catalogsource -n openshift-marketplace -o yaml)")
	addRuleFlags(f, &s.rule)
	addClusterFlags(f, &s.cluster)
	f.StringArrayVar(&s.catalogNames, "catalog-name", nil, "`CATALOG=NAME`: what the CatalogSource of a catalog is called; CATALOG is its reference or its targetCatalog[:tag] (may be given more than once)")
	addNodeFlags(f, &s.nodes)
	f.BoolVar(&s.pinImages, "pin-images", false, "write PinnedImageSets: nodes load the images of the next update before it (the version must be known: --cluster-version or --from-cluster; from 4.19.12 on)")
}

// given reports whether any flag has a meaning only with --output-dir.
func (s siteFlags) given() bool {
	return s.pullSecret != "" || s.registryCA != "" || s.imageConfig != "" || s.rules != "" || s.catalogs != "" || len(s.catalogNames) > 0 || s.pinImages || s.rule.given() || s.cluster.given() || s.nodes.given()
}

// read reads what the flags name, before anything else is done.
func (s siteFlags) read() (manifests.Site, error) {
	var site manifests.Site
	err := errors.Join(s.rule.into(&site), s.nodes.read(&site))
	if err != nil {
		return site, err
	}
	if site.PullSecret, err = readSite(s.pullSecret, "pull-secret", "pull secret", manifests.ParsePullSecret); err != nil {
		return site, err
	}
	if site.PresentCA, err = readSite(s.registryCA, "present-registry-ca", "present registry authorities", manifests.ParseRegistryCA); err != nil {
		return site, err
	}
	if site.PresentImage, err = readSite(s.imageConfig, "present-image-config", "present image.config", manifests.ParseImageConfig); err != nil {
		return site, err
	}
	if site.PresentRules, err = readSite(s.rules, "present-rules", "present rules", manifests.ParsePresentRules); err != nil {
		return site, err
	}
	if site.PresentCatalogSources, err = readSite(s.catalogs, "present-catalog-sources", "present CatalogSources", manifests.ParsePresentCatalogSources); err != nil {
		return site, err
	}
	site.PinImages = s.pinImages
	for _, pair := range s.catalogNames {
		catalog, name, ok := strings.Cut(pair, "=")
		if !ok || catalog == "" || name == "" {
			return site, usage(errors.New("--catalog-name takes CATALOG=NAME"), "for example --catalog-name registry.redhat.io/redhat/redhat-operator-index=redhat-operators")
		}
		if site.CatalogNames == nil {
			site.CatalogNames = map[string]string{}
		}
		if _, twice := site.CatalogNames[catalog]; twice {
			return site, usage(fmt.Errorf("--catalog-name names %s twice", catalog), "")
		}
		site.CatalogNames[catalog] = name
	}
	return site, nil
}

// readSite reads one file, if the flag names it.
func readSite[T any](file, flag, what string, parse func(string, []byte) (*T, error)) (*T, error) {
	if file == "" {
		return nil, nil
	}
	data, err := durable.Read(file, durable.MaxGiven)
	if err != nil {
		return nil, usage(fmt.Errorf("read %s: %w", what, err), fmt.Sprintf("name the file that oc wrote (--%s FILE)", flag))
	}
	parsed, err := parse(file, data)
	if err == nil {
		return parsed, nil
	}
	var all []error
	for _, e := range flatten(err) {
		all = append(all, usage(fmt.Errorf("read %s: %w", what, e), fmt.Sprintf("correct the file, or write it again with oc (--%s FILE)", flag)))
	}
	return nil, errors.Join(all...)
}
