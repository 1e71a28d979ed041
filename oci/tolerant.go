package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// oddities reads what only describes, and remembers the first thing in it that is not
// as its specification has it.
type oddities struct{ first string }

func (o *oddities) add(what string) {
	if o.first == "" {
		o.first = what
	}
}

// there reports whether a field is there: null counts as absent.
func there(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// into decodes an optional field, and reports whether it is there and of into's kind.
func (o *oddities) into(name string, raw json.RawMessage, into any) bool {
	if !there(raw) {
		return false
	}
	if json.Unmarshal(raw, into) != nil {
		o.add(name + " of another type than its specification says")
		return false
	}
	return true
}

func (o *oddities) text(name string, raw json.RawMessage) (s string) {
	if !o.into(name, raw, &s) {
		return ""
	}
	return s
}

// annotations keeps those that are strings.
func (o *oddities) annotations(name string, raw json.RawMessage) map[string]string {
	var all map[string]json.RawMessage
	if !o.into(name, raw, &all) || len(all) == 0 {
		return nil
	}
	list := make(map[string]string, len(all))
	for key, value := range all {
		var s string
		if json.Unmarshal(value, &s) != nil {
			o.add(name + " with values that are not strings")
		} else if there(value) {
			list[key] = s
		}
	}
	return list
}

// subject is nil for one that names nothing.
func (o *oddities) subject(raw json.RawMessage) *Descriptor {
	if !there(raw) {
		return nil
	}
	d, err := o.descriptor("subject", raw)
	if err == nil {
		err = CheckDigest(d.Digest)
	}
	if err != nil {
		o.add("a subject that names nothing")
		return nil
	}
	return &d
}

// descriptorBody is a descriptor: its digest and size must be as specified.
type descriptorBody struct {
	MediaType    json.RawMessage `json:"mediaType"`
	Digest       digest.Digest   `json:"digest"`
	Size         int64           `json:"size"`
	URLs         json.RawMessage `json:"urls"`
	Annotations  json.RawMessage `json:"annotations"`
	Data         json.RawMessage `json:"data"`
	Platform     json.RawMessage `json:"platform"`
	ArtifactType json.RawMessage `json:"artifactType"`
}

func (o *oddities) descriptor(name string, raw json.RawMessage) (Descriptor, error) {
	if !there(raw) {
		return Descriptor{}, fmt.Errorf("its %s is null", name)
	}
	if err := unambiguous(raw, "mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"); err != nil {
		return Descriptor{}, fmt.Errorf("in its %s %w", name, err)
	}
	var b descriptorBody
	if err := json.Unmarshal(raw, &b); err != nil {
		return Descriptor{}, fmt.Errorf("its %s is not a descriptor: %w", name, err)
	}
	d := Descriptor{
		MediaType: o.text(name+".mediaType", b.MediaType), Digest: b.Digest, Size: b.Size,
		Annotations:  o.annotations(name+".annotations", b.Annotations),
		ArtifactType: o.text(name+".artifactType", b.ArtifactType),
	}
	o.into(name+".urls", b.URLs, &d.URLs)
	d.Platform = o.platform(name+".platform", b.Platform)
	var data []byte
	if o.into(name+".data", b.Data, &data) && isContent(data, d) {
		d.Data = data
	}
	return d, nil
}

// platform keeps the fields of a platform that are as specified.
func (o *oddities) platform(name string, raw json.RawMessage) *ispec.Platform {
	var b struct {
		OS           json.RawMessage `json:"os"`
		Architecture json.RawMessage `json:"architecture"`
		Variant      json.RawMessage `json:"variant"`
		OSVersion    json.RawMessage `json:"os.version"`
		OSFeatures   json.RawMessage `json:"os.features"`
	}
	if !o.into(name, raw, &b) {
		return nil
	}
	p := &ispec.Platform{OS: o.text(name+".os", b.OS), Architecture: o.text(name+".architecture", b.Architecture),
		Variant: o.text(name+".variant", b.Variant), OSVersion: o.text(name+".os.version", b.OSVersion)}
	o.into(name+".os.features", b.OSFeatures, &p.OSFeatures)
	return p
}

// isContent reports whether bytes are a descriptor's content.
func isContent(body []byte, d Descriptor) bool {
	return int64(len(body)) == d.Size && Digest(body) == d.Digest
}

// child is a descriptor of what is carried: of a blob, or of a manifest.
func (o *oddities) child(name string, raw json.RawMessage, blob bool) (Descriptor, error) {
	d, err := o.descriptor(name, raw)
	if err != nil {
		return d, err
	}
	if blob && (IsManifest(d.MediaType) || isSchema1(d.MediaType)) {
		d.MediaType = mediaTypeBytes // its place says what it is
	}
	if err := CheckDescriptor(d); err != nil {
		return d, err
	}
	var b struct{ Size json.RawMessage }
	if json.Unmarshal(raw, &b) != nil || !there(b.Size) {
		return d, fmt.Errorf("its %s gives no size", name)
	}
	return d, nil
}

func (o *oddities) children(name string, raw json.RawMessage, blobs bool) ([]Descriptor, error) {
	if !there(raw) {
		return nil, nil
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil, errors.New("its " + name + " is not a list")
	}
	list := make([]Descriptor, 0, min(len(all), 1<<10))
	for i, one := range all {
		d, err := o.child(fmt.Sprintf("%s[%d]", name, i), one, blobs)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}
