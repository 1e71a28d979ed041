package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// library is a bundle of all kinds of images, with what is attached to one.
type library struct {
	*host
	*served
	kinds       map[string]oci.Descriptor
	root, layer oci.Descriptor // of one image
	sbom, note  oci.Descriptor // its referrers
	plain, list oci.Descriptor // more: an image without a type of its own, an index
	absent      oci.Descriptor // the subject of orphan, which is in no bundle
	orphan      oci.Descriptor
	signature   oci.Descriptor // of the image, under cosign's tag
}

const (
	sbomType = "application/vnd.example.sbom.v1"
	noteType = "application/vnd.example.note"
)

func newLibrary(t *testing.T) *library {
	t.Helper()
	l := &library{host: newHost(t, 2701)}
	l.kinds = l.Kinds()
	l.layer = l.Layer(5<<20, ocitest.LayerTar)
	l.root = l.Image(false, l.layer, l.Layer(40<<10, ocitest.LayerGzip))
	l.sbom = l.referrer(l.root, sbomType, map[string]string{"org.example.format": "json"})
	l.note = l.referrer(l.root, noteType, nil)
	l.plain = l.withSubject(l.Image(false, l.Layer(700, ocitest.LayerGzip)), l.root, "")
	l.list = l.withSubject(l.Index(false, l.note), l.root, noteType)
	l.absent = oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromString("absent"), Size: 123}
	l.orphan = l.referrer(l.absent, noteType, nil)
	l.signature = l.Image(false, l.Layer(900, ocitest.LayerGzip))
	images := []oci.Image{
		image(l.root, "team/app", "v1", "B2", "a1", "latest"), attached(l.sbom, l.root, "team/app"), attached(l.note, l.root, "team/app"),
		attached(l.plain, l.root, "team/app"), attached(l.list, l.root, "team/app"), attached(l.orphan, l.absent, "team/app"),
		attached(l.signature, l.root, "team/app", ocitest.CosignTag(l.root.Digest)),
	}
	for name, root := range l.kinds {
		images = append(images, image(root, "kinds/"+name, "v1"))
	}
	images = append(images, image(l.kinds["index"], "odd/manifests/blobs/tags/list", "v1"))
	l.served = l.serve(l.pack("drive", images))
	return l
}

// withSubject is a manifest or index that names a subject.
func (h *host) withSubject(d, subject oci.Descriptor, artifactType string) oci.Descriptor {
	h.t.Helper()
	m := map[string]any{}
	err := json.Unmarshal(h.bytes(d), &m)
	m["subject"] = subject
	if artifactType != "" {
		m["artifactType"] = artifactType
	}
	body, merr := json.Marshal(m)
	if err := errors.Join(err, merr); err != nil {
		h.t.Fatal(err)
	}
	return h.Blob(body, d.MediaType)
}

// TestSpecification holds answers against the OCI distribution specification, 1.1.1 and its
// development after that. Each request names the section, and the words of it that decide. What
// the conformance program of the specification checks of pulls, of content discovery and of
// referrers has rows here and in TestTagPages, TestReferrers, TestRanges and TestEmptyBlob; of its
// digests by sha512 a bundle has none.
func TestSpecification(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	manifest, layer := l.bytes(l.root), l.bytes(l.layer)
	app, unknown := "/v2/team/app", "sha256:"+strings.Repeat("0", 64)
	of := func(d oci.Descriptor, mediaType string) []string {
		return []string{"Docker-Content-Digest", d.Digest.String(), "Content-Length", strconv.FormatInt(d.Size, 10), "Content-Type", mediaType, "Etag", `"` + d.Digest.String() + `"`}
	}
	const bin, jsonType = "application/octet-stream", "application/json"
	for _, tt := range []struct {
		clause, method, path string
		send                 []string
		status               int
		code                 string   // of an error
		want                 []string // headers
		body                 []byte   // nil: not compared
	}{
		{"Determining Support: 200", "GET", "/v2/", nil, 200, "", []string{"Docker-Distribution-Api-Version", "registry/2.0"}, nil},
		{"Determining Support, by HEAD and without the slash", "HEAD", "/v2", nil, 200, "", nil, []byte{}},

		{"Pulling manifests: GET MUST provide the manifest, 200; the type; the digest", "GET", app + "/manifests/" + l.root.Digest.String(), nil, 200, "", of(l.root, l.root.MediaType), manifest},
		{"Pulling manifests: by tag", "GET", app + "/manifests/v1", nil, 200, "", of(l.root, l.root.MediaType), manifest},
		{"Pulling manifests: the tag that never moves", "GET", app + "/manifests/" + oci.DigestTag(l.root.Digest), nil, 200, "", of(l.root, l.root.MediaType), manifest},
		{"Pulling manifests: cosign's tag", "GET", app + "/manifests/" + ocitest.CosignTag(l.root.Digest), nil, 200, "", of(l.signature, l.signature.MediaType), l.bytes(l.signature)},
		{"Pulling manifests: a referrer by digest", "GET", app + "/manifests/" + l.sbom.Digest.String(), nil, 200, "", of(l.sbom, l.sbom.MediaType), l.bytes(l.sbom)},
		{"Pulling manifests: Accept never converts", "GET", "/v2/kinds/docker-list/manifests/v1", []string{"Accept", oci.MediaTypeManifest}, 200, "", of(l.kinds["docker-list"], oci.MediaTypeDockerList), l.bytes(l.kinds["docker-list"])},
		{"Pulling manifests: If-None-Match of the digest (RFC 9110, 13.1.2)", "GET", app + "/manifests/v1", []string{"If-None-Match", `"` + l.root.Digest.String() + `"`}, 304, "", nil, []byte{}},
		{"Pulling manifests: not found MUST be 404", "GET", app + "/manifests/v9", nil, 404, codeManifestUnknown, nil, nil},
		{"Pulling manifests: not found, by digest", "GET", app + "/manifests/" + unknown, nil, 404, codeManifestUnknown, nil, nil},
		{"Pulling manifests: of another repository", "GET", app + "/manifests/" + l.kinds["index"].Digest.String(), nil, 404, codeManifestUnknown, nil, nil},
		{"Pulling manifests: a digest of another algorithm", "GET", app + "/manifests/sha512:" + strings.Repeat("0", 128), nil, 404, codeManifestUnknown, nil, nil},
		{"Pulling manifests: a digest that is none (as the conformance program asks)", "GET", app + "/manifests/sha256:baddigeststring", nil, 400, codeDigestInvalid, nil, nil},
		{"Pulling manifests: Accept of both kinds", "GET", app + "/manifests/v1", []string{"Accept", oci.MediaTypeIndex, "Accept", oci.MediaTypeManifest}, 200, "", of(l.root, l.root.MediaType), manifest},
		{"Pulling manifests: Accept of what it is not never hides it", "GET", app + "/manifests/v1", []string{"Accept", oci.MediaTypeIndex}, 200, "", of(l.root, l.root.MediaType), manifest},
		{"Pulling manifests: an index with a subject", "GET", app + "/manifests/" + l.list.Digest.String(), nil, 200, "", of(l.list, l.list.MediaType), l.bytes(l.list)},
		{"Pulling manifests: <reference> MUST NOT be in any other format", "GET", app + "/manifests/sha256:12", nil, 400, codeDigestInvalid, nil, nil},
		{"Pulling manifests: no repository", "GET", "/v2/no/such/manifests/v1", nil, 404, codeNameUnknown, nil, nil},
		{"Pulling manifests: <name> MUST match", "GET", "/v2/Team/app/manifests/v1", nil, 400, codeNameInvalid, nil, nil},
		{"Pulling manifests: <name> has the words of the API in it", "GET", "/v2/odd/manifests/blobs/tags/list/manifests/v1", nil, 200, "", of(l.kinds["index"], oci.MediaTypeIndex), l.bytes(l.kinds["index"])},

		{"Pulling blobs: GET MUST provide the blob, 200; the digest", "GET", app + "/blobs/" + l.layer.Digest.String(), nil, 200, "", of(l.layer, bin), layer},
		{"Pulling blobs: a manifest is no blob", "GET", app + "/blobs/" + l.root.Digest.String(), nil, 404, codeBlobUnknown, nil, nil},
		{"Pulling blobs: a digest of another algorithm", "GET", app + "/blobs/sha512:" + strings.Repeat("0", 128), nil, 404, codeBlobUnknown, nil, nil},
		{"Pulling blobs: not found MUST be 404", "GET", app + "/blobs/" + unknown, nil, 404, codeBlobUnknown, nil, nil},
		{"Pulling blobs: of another repository", "GET", "/v2/kinds/oci/blobs/" + l.layer.Digest.String(), nil, 404, codeBlobUnknown, nil, nil},
		{"Pulling blobs: what is no digest", "GET", app + "/blobs/latest", nil, 400, codeDigestInvalid, nil, nil},
		{"Pulling blobs: no repository", "GET", "/v2/no/such/blobs/" + l.layer.Digest.String(), nil, 404, codeNameUnknown, nil, nil},
		{"Pulling blobs: If-None-Match", "GET", app + "/blobs/" + l.layer.Digest.String(), []string{"If-None-Match", `"` + l.layer.Digest.String() + `"`}, 304, "", nil, []byte{}},

		{"Checking if content exists: HEAD of a manifest, 200; digest and length", "HEAD", app + "/manifests/v1", nil, 200, "", of(l.root, l.root.MediaType), []byte{}},
		{"Checking if content exists: HEAD of a manifest by digest", "HEAD", app + "/manifests/" + l.root.Digest.String(), nil, 200, "", of(l.root, l.root.MediaType), []byte{}},
		{"Checking if content exists: HEAD of a blob", "HEAD", app + "/blobs/" + l.layer.Digest.String(), nil, 200, "", append(of(l.layer, bin), "Accept-Ranges", "bytes"), []byte{}},
		{"Checking if content exists: a HEAD has no range (RFC 9110, 14.2)", "HEAD", app + "/blobs/" + l.layer.Digest.String(), []string{"Range", "bytes=0-9"}, 200, "", of(l.layer, bin), []byte{}},
		{"Checking if content exists: not found MUST be 404", "HEAD", app + "/manifests/v9", nil, 404, "", nil, []byte{}},
		{"Checking if content exists: not found MUST be 404 (by digest)", "HEAD", app + "/manifests/" + unknown, nil, 404, "", nil, []byte{}},
		{"Checking if content exists: not found MUST be 404 (blob)", "HEAD", app + "/blobs/" + unknown, nil, 404, "", nil, []byte{}},

		{"Listing Tags: 200", "GET", app + "/tags/list", nil, 200, "", []string{"Content-Type", jsonType}, nil},
		{"Listing Tags: no repository", "GET", "/v2/no/such/tags/list", nil, 404, codeNameUnknown, nil, nil},
		{"Listing Tags: after the last one", "GET", app + "/tags/list?last=zz&n=5", nil, 200, "", []string{"Link", ""}, []byte(`{"name":"team/app","tags":[]}`)},
		{"Listing Tags: by HEAD", "HEAD", app + "/tags/list", nil, 200, "", []string{"Content-Type", jsonType}, []byte{}},
		{"Listing Tags: n that is no number", "GET", app + "/tags/list?n=many", nil, 400, codeUnsupported, nil, nil},
		{"Listing Tags: n below 0", "GET", app + "/tags/list?n=-1", nil, 400, codeUnsupported, nil, nil},
		{"Listing Tags: n=0 MUST be an empty list without Link", "GET", app + "/tags/list?n=0", nil, 200, "", []string{"Link", ""}, []byte(`{"name":"team/app","tags":[]}`)},

		{"Listing Referrers: an invalid digest MUST be 400", "GET", app + "/referrers/latest", nil, 400, codeDigestInvalid, nil, nil},
		{"Listing Referrers: none MUST be an empty list", "GET", app + "/referrers/" + unknown, nil, 200, "", []string{"Content-Type", oci.MediaTypeIndex, "Oci-Filters-Applied", ""}, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)},
		{"Listing Referrers: MUST NOT be 404", "GET", "/v2/no/such/referrers/" + unknown, nil, 200, "", []string{"Content-Type", oci.MediaTypeIndex}, nil},
		{"Listing Referrers: of another repository", "GET", "/v2/kinds/oci/referrers/" + l.root.Digest.String(), nil, 200, "", nil, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)},

		{"Pushing blobs (end-4a): unsupported", "POST", app + "/blobs/uploads/", nil, 405, codeUnsupported, []string{"Allow", "GET, HEAD"}, nil},
		{"Pushing blobs (end-4b)", "POST", app + "/blobs/uploads/?digest=" + unknown, nil, 405, codeUnsupported, nil, nil},
		{"Pushing blobs (end-5)", "PATCH", app + "/blobs/uploads/1234", nil, 405, codeUnsupported, nil, nil},
		{"Pushing blobs (end-6)", "PUT", app + "/blobs/uploads/1234?digest=" + unknown, nil, 405, codeUnsupported, nil, nil},
		{"Pushing blobs (end-13): there is no session", "GET", app + "/blobs/uploads/1234", nil, 404, codeUploadUnknown, nil, nil},
		{"Cancel a blob upload (end-14)", "DELETE", app + "/blobs/uploads/1234", nil, 405, codeUnsupported, nil, nil},
		{"Mounting a blob (end-11)", "POST", "/v2/new/blobs/uploads/?mount=" + l.layer.Digest.String() + "&from=team/app", nil, 405, codeUnsupported, nil, nil},
		{"Pushing Manifests (end-7)", "PUT", app + "/manifests/v1", nil, 405, codeUnsupported, nil, nil},
		{"Deleting tags: disabled MUST be 400 or 405", "DELETE", app + "/manifests/v1", nil, 405, codeUnsupported, nil, nil},
		{"Deleting Manifests: disabled MUST be 400 or 405", "DELETE", app + "/manifests/" + l.root.Digest.String(), nil, 405, codeUnsupported, nil, nil},
		{"Deleting Manifests: no repository MUST be 404", "DELETE", "/v2/no/such/manifests/v1", nil, 404, codeNameUnknown, nil, nil},
		{"Deleting Blobs: disabled MUST be 400 or 405", "DELETE", app + "/blobs/" + l.layer.Digest.String(), nil, 405, codeUnsupported, nil, nil},
		{"Deleting Blobs: not found MUST be 404", "DELETE", app + "/blobs/" + unknown, nil, 404, codeBlobUnknown, nil, nil},
		{"Endpoints: nothing else", "GET", "/", nil, 404, codeUnsupported, nil, nil},
		{"Endpoints: version 1 is another API", "GET", "/v1/_ping", nil, 404, codeUnsupported, nil, nil},
		{"Endpoints: a path that leaves its repository", "GET", app + "/../other/manifests/v1", nil, 400, codeNameInvalid, nil, nil},
		{"Endpoints: slashes of a name that are escaped", "GET", "/v2/team%2Fapp/manifests/v1", nil, 200, "", of(l.root, l.root.MediaType), manifest},
		{"Endpoints: a name without end", "GET", "/v2/" + strings.Repeat("a", 9000) + "/manifests/v1", nil, 404, codeNameUnknown, nil, nil},
	} {
		g := l.ask(tt.method, tt.path, tt.send...)
		problem := func(format string, args ...any) {
			t.Errorf("%s: %s %s: %s", tt.clause, tt.method, tt.path, fmt.Sprintf(format, args...))
		}
		if g.err != nil || g.StatusCode != tt.status {
			problem("status %d, want %d; %v %.200s", g.StatusCode, tt.status, g.err, g.body)
			continue
		}
		for i := 0; i < len(tt.want); i += 2 {
			if v := g.Header.Get(tt.want[i]); v != tt.want[i+1] {
				problem("%s is %q, want %q", tt.want[i], v, tt.want[i+1])
			}
		}
		if tt.body != nil && !bytes.Equal(g.body, tt.body) {
			problem("another body, %d bytes: %.100q", len(g.body), g.body)
		}
		if code := codeOf(g); code != tt.code {
			problem("error code %q, want %q", code, tt.code)
		}
	}
	if l.log.String() == "" || strings.Contains(l.log.String(), "level=WARN") {
		t.Errorf("requests are not logged, or are worth a warning:\n%s", l.log)
	}
}

// codeOf is the code of an error's body, "" for none.
func codeOf(g got) string {
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if g.StatusCode < 400 || len(g.body) == 0 || json.Unmarshal(g.body, &body) != nil || len(body.Errors) != 1 || body.Errors[0].Message == "" || g.Header.Get("Content-Type") != "application/json" {
		return ""
	}
	return body.Errors[0].Code
}

// TestTagPages: tags and repositories come in lexical order, page by page.
func TestTagPages(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	pages := func(path string) (all [][]string) {
		for path != "" {
			var body struct{ Tags, Repositories []string }
			g := l.ask("GET", path)
			if err := json.Unmarshal(g.body, &body); err != nil || g.StatusCode != 200 {
				t.Fatalf("%s: %d %v", path, g.StatusCode, err)
			}
			all = append(all, append(body.Tags, body.Repositories...))
			link := g.Header.Get("Link")
			if path = ""; link != "" {
				next, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
				if !ok {
					t.Fatalf("Link: %s", link)
				}
				path = next
			}
		}
		return all
	}
	tags := []string{"a1", "B2", "latest", oci.DigestTag(l.root.Digest), ocitest.CosignTag(l.root.Digest), "v1"}
	slices.SortFunc(tags, lexical)
	all := pages("/v2/team/app/tags/list")[0]
	if !slices.Equal(all, tags) || !slices.IsSortedFunc(all, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Errorf("all tags: %q", all)
	}
	for n := 1; n <= len(all)+1; n++ {
		got := pages(fmt.Sprintf("/v2/team/app/tags/list?n=%d", n))
		if !slices.Equal(slices.Concat(got...), all) || len(got) != (len(all)+n-1)/n {
			t.Errorf("n=%d: %q", n, got)
		}
	}
	if got := pages("/v2/team/app/tags/list?last=B2"); !slices.Equal(got[0], all[slices.Index(all, "B2")+1:]) {
		t.Errorf("last without n: %q", got)
	}
	if got := pages("/v2/team/app/tags/list?n=2&last=b"); got[0][0] != "B2" {
		t.Errorf("after what is no tag: %q", got)
	}
	repos := pages("/v2/_catalog")[0]
	if len(repos) != len(l.kinds)+2 || !slices.IsSorted(repos) || !slices.Equal(slices.Concat(pages("/v2/_catalog?n=3")...), repos) {
		t.Errorf("repositories: %q", repos)
	}
}

// TestReferrers lists what is attached.
func TestReferrers(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	list := func(query string) (ispec.Index, http.Header) {
		g := l.ask("GET", "/v2/team/app/referrers/"+l.root.Digest.String()+query)
		var index ispec.Index
		if err := json.Unmarshal(g.body, &index); err != nil || g.StatusCode != 200 || g.Header.Get("Content-Type") != oci.MediaTypeIndex {
			t.Fatalf("%d %v %s", g.StatusCode, err, g.body)
		}
		return index, g.Header
	}
	all, head := list("")
	if len(all.Manifests) != 4 || head.Get("Oci-Filters-Applied") != "" {
		t.Errorf("all: %+v", all.Manifests)
	}
	for _, d := range all.Manifests {
		want := map[string]oci.Descriptor{sbomType: l.sbom, noteType: l.note, ispec.MediaTypeImageConfig: l.plain}[d.ArtifactType]
		if d.MediaType == oci.MediaTypeIndex && d.ArtifactType == noteType {
			want = l.list
		}
		if d.Digest != want.Digest || d.Size != want.Size || d.MediaType != want.MediaType || (d.Annotations["org.example.format"] == "json") != (d.ArtifactType == sbomType) {
			t.Errorf("%+v", d)
		}
	}
	some, head := list("?artifactType=" + sbomType)
	if len(some.Manifests) != 1 || some.Manifests[0].Digest != l.sbom.Digest || head.Get("Oci-Filters-Applied") != "artifactType" {
		t.Errorf("filtered: %+v %v", some.Manifests, head)
	}
	if two, _ := list("?artifactType=" + noteType); len(two.Manifests) != 2 {
		t.Errorf("filtered: %+v", two.Manifests)
	}
	if config, _ := list("?artifactType=" + ispec.MediaTypeImageConfig); len(config.Manifests) != 1 || config.Manifests[0].Digest != l.plain.Digest {
		t.Errorf("by the type of its config: %+v", config.Manifests)
	}
	var index ispec.Index
	if g := l.ask("GET", "/v2/team/app/referrers/"+l.absent.Digest.String()); json.Unmarshal(g.body, &index) != nil || len(index.Manifests) != 1 || index.Manifests[0].Digest != l.orphan.Digest {
		t.Errorf("of a subject that is not there: %s", g.body)
	}
	if none, head := list("?artifactType=other"); len(none.Manifests) != 0 || head.Get("Oci-Filters-Applied") != "artifactType" {
		t.Errorf("filtered to nothing: %+v", none.Manifests)
	}
}

// TestReferrerPages: a list that is larger than a manifest may be comes in parts.
func TestReferrerPages(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2702)
	root := h.Image(false, h.Layer(1000, ocitest.LayerGzip))
	images := []oci.Image{image(root, "team/app", "v1")}
	for i := range 5 {
		images = append(images, attached(h.referrer(root, noteType, map[string]string{"text": strings.Repeat(strconv.Itoa(i), 1<<20)}), root, "team/app"))
	}
	s := h.serve(h.pack("drive", images))
	seen, pages := map[string]bool{}, 0
	for path := "/v2/team/app/referrers/" + root.Digest.String() + "?artifactType=" + noteType; path != ""; pages++ {
		g := s.ask("GET", path)
		var index ispec.Index
		if err := json.Unmarshal(g.body, &index); err != nil || len(g.body) > oci.MaxManifestSize {
			t.Fatalf("%d bytes, %v", len(g.body), err)
		}
		for _, d := range index.Manifests {
			seen[d.Digest.String()] = true
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(g.Header.Get("Link"), "<"), ">")
	}
	if len(seen) != 5 || pages < 2 {
		t.Errorf("%d referrers on %d pages", len(seen), pages)
	}
}

// TestRanges asks for every form of a range (RFC 9110, 14.1.2), also where it crosses frames and
// segments.
func TestRanges(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	body, path := l.bytes(l.layer), "/v2/team/app/blobs/"+l.layer.Digest.String()
	size, etag := len(body), `"`+l.layer.Digest.String()+`"`
	for _, tt := range []struct {
		ask         string
		send        []string
		from, until int // -1: not a part
		status      int
	}{
		{"bytes=0-0", nil, 0, 1, 206},
		{"bytes=500-1499", nil, 500, 1500, 206},
		{"bytes=4194300-4194310", nil, 4194300, 4194311, 206}, // over the end of a frame
		{"bytes=0-", nil, 0, size, 206},
		{"bytes=4000000-", nil, 4000000, size, 206},
		{"bytes=-7", nil, size - 7, size, 206},
		{fmt.Sprintf("bytes=-%d", size+5), nil, 0, size, 206},
		{fmt.Sprintf("bytes=10-%d", size+100), nil, 10, size, 206},
		{fmt.Sprintf("bytes=%d-", size-1), nil, size - 1, size, 206},
		{fmt.Sprintf("bytes=%d-", size), nil, -1, 0, 416},
		{fmt.Sprintf("bytes=%d-%d", size+10, size+20), nil, -1, 0, 416},
		{"bytes=-0", nil, -1, 0, 416},
		{"bytes=9-3", nil, -1, 0, 416},
		{"bytes=x", nil, -1, 0, 416},
		{"lines=1-2", nil, 0, size, 200}, // MUST be ignored
		{"bytes=3-8", []string{"If-Range", etag}, 3, 9, 206},
		{"bytes=3-8", []string{"If-Range", `"another"`}, 0, size, 200},
		{"bytes=3-8", []string{"If-None-Match", etag}, -1, 0, 304},
		{"bytes=3-8", []string{"If-Match", `"another"`}, -1, 0, 412},
		{"bytes=" + strings.Repeat("0-0,", 500) + "1-1", nil, 0, size, 200}, // 17.15: so many are ignored
	} {
		g := l.ask("GET", path, append([]string{"Range", tt.ask}, tt.send...)...)
		if g.err != nil || g.StatusCode != tt.status {
			t.Errorf("%.40s %v: %d, want %d; %v", tt.ask, tt.send, g.StatusCode, tt.status, g.err)
			continue
		}
		if tt.from >= 0 && !bytes.Equal(g.body, body[tt.from:tt.until]) {
			t.Errorf("%.40s: %d bytes, other than asked for", tt.ask, len(g.body))
		}
		want := map[int]string{206: fmt.Sprintf("bytes %d-%d/%d", tt.from, tt.until-1, size), 416: fmt.Sprintf("bytes */%d", size)}[tt.status]
		if v := g.Header.Get("Content-Range"); v != want && tt.ask != "bytes=9-3" && tt.ask != "bytes=x" {
			t.Errorf("%.40s: Content-Range %q, want %q", tt.ask, v, want)
		}
	}
}

// TestMultipleRanges asks for several parts at once, also backwards.
func TestMultipleRanges(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	body := l.bytes(l.layer)
	g := l.ask("GET", "/v2/team/app/blobs/"+l.layer.Digest.String(), "Range", "bytes=4194303-4194304, 10-19,-5,0-3")
	kind, params, err := mime.ParseMediaType(g.Header.Get("Content-Type"))
	if err != nil || g.StatusCode != 206 || kind != "multipart/byteranges" || g.Header.Get("Content-Length") != strconv.Itoa(len(g.body)) {
		t.Fatalf("%d %v %v", g.StatusCode, g.Header, err)
	}
	n := len(body)
	want := [][2]int{{4194303, 4194305}, {10, 20}, {n - 5, n}, {0, 4}}
	parts := multipart.NewReader(bytes.NewReader(g.body), params["boundary"])
	for _, w := range want {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		part, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(part, body[w[0]:w[1]]) || p.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", w[0], w[1]-1, n) {
			t.Errorf("%v: %d bytes, %v %v", w, len(part), p.Header, err)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("behind the last part: %v", err)
	}
}
