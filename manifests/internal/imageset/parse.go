package imageset

import (
	"errors"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

const (
	kindImageSet       = "ImageSetConfiguration"
	kindDeleteImageSet = "DeleteImageSetConfiguration"
	groupMirror        = "mirror.openshift.io/"
	apiVersionImageSet = groupMirror + "v2alpha1"
)

// hints are for keys that oc-mirror v1 had and v2 has not.
var hints = map[string]string{
	"storageconfig": "oc-mirror v1 kept its state there; remove it, satchel keeps its own",
	"bundles":       "only oc-mirror v1 selected single bundles; select by channel and version",
	"originalref":   "oc-mirror v1 did not use it since 4.13; remove it",
	"targetname":    "oc-mirror v2 has targetCatalog in its place",
}

// Parse reads an ImageSetConfiguration; name is the file's name for messages.
// Unknown and repeated keys and values of the wrong type are errors, as is what
// contradicts itself; each is a *[ConfigError], and the error joins as many as
// were found. What this version does not carry is no error here: see
// [Config.CheckSupported].
func Parse(name string, data []byte) (*Config, error) {
	doc, err := strict.Parse(data)
	if err != nil {
		return nil, located(name, err)
	}
	var head struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if places, err := doc.Peek(&head); err == nil {
		if err := checkHead(name, kindImageSet, head.Kind, head.APIVersion, places); err != nil {
			return nil, errors.Join(err, toChange(name, head.APIVersion, data))
		}
	}
	c, err := decode(name, doc)
	if err == nil {
		c.data = data
	}
	return c, err
}

// decode reads a configuration of v2alpha1 whose head is right.
func decode(name string, doc *strict.Document) (c *Config, err error) {
	c = &Config{file: name}
	if c.places, err = doc.Decode(c); err != nil {
		return nil, located(name, err)
	}
	c.Mirror.normalize()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// toChange lists what must change in a file of oc-mirror v1.
func toChange(name, apiVersion string, data []byte) error {
	if apiVersion != apiVersion1 {
		return nil
	}
	_, changes, _ := Convert(name, data) // what is wrong beyond that is for later
	errs := make([]error, len(changes))
	for i, c := range changes {
		c.Msg = "in v2alpha1, " + c.Msg // nothing is rewritten here
		errs[i] = c
	}
	return errors.Join(errs...)
}

// checkHead refuses other formats before their keys are, which are unknown here.
func checkHead(file, want, kind, apiVersion string, places strict.Places) error {
	p := NewProblems(file, places)
	switch {
	case kind == "":
		p.Add("kind", "kind is missing; it must be %s", want)
	case kind == kindImageSet && want == kindDeleteImageSet:
		p.Add("kind", "an %s says what to carry to a mirror; only a %s says what goes from it", kindImageSet, kindDeleteImageSet)
	case kind == kindDeleteImageSet && want == kindImageSet:
		p.Add("kind", "a %s says what to delete from a mirror; only an %s can be packed", kindDeleteImageSet, kindImageSet)
	case kind != want:
		p.Add("kind", "kind is %q; it must be %s", kind, want)
	case apiVersion == "":
		p.Add("apiVersion", "apiVersion is missing; it must be %s", apiVersionImageSet)
	case apiVersion == groupMirror+"v1alpha1":
		p.Add("apiVersion", "apiVersion %s is the format of oc-mirror before 4.10, with other keys; satchel reads that of v2, %s", apiVersion, apiVersionImageSet)
	case apiVersion == apiVersion1:
		p.AddWithHint("apiVersion", AdviceConvert, "apiVersion %s is the format of oc-mirror v1; satchel reads that of v2, %s", apiVersion, apiVersionImageSet)
	case apiVersion != apiVersionImageSet:
		p.Add("apiVersion", "apiVersion is %q; it must be %s", apiVersion, apiVersionImageSet)
	}
	return p.Join()
}
