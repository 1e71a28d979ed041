package transport

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestRefusedAttachments has a registry refuse to say what it may not even have.
func TestRefusedAttachments(t *testing.T) {
	c := ocitest.New(14)
	subject, referrer := attachedSet(t, c)
	reg := registrytest.Start(t)
	mustFill(t, mirrorAt(insecure(t), reg.Host, 1), c, attachedImages(subject, referrer))
	isTag := func(r *http.Request, suffix string) bool {
		return strings.HasSuffix(r.URL.Path, "/"+fallbackTag(subject)+suffix)
	}
	for name, k := range map[string]struct {
		status  int
		refuses func(*http.Request) bool
		list    int
		unknown string
		fails   bool
	}{
		"signatures, 403": {403, func(r *http.Request) bool { return isTag(r, ".sig") }, 1, "sig", false},
		"signatures, 401": {401, func(r *http.Request) bool { return isTag(r, ".sig") }, 1, "sig", false},
		"signatures, 405": {405, func(r *http.Request) bool { return isTag(r, ".sig") }, 1, "sig", false},
		"signatures, 415": {415, func(r *http.Request) bool { return isTag(r, ".sig") }, 1, "sig", false},
		"all tags":        {403, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/sha256-") }, 0, "att sbom sig", false},
		"all tags and API": {403, func(r *http.Request) bool {
			return strings.Contains(r.URL.Path, "/manifests/sha256-") || registrytest.Kind(r) == "GET referrer"
		}, 0, "att referrers sbom sig", false},
		"API alone":  {403, func(r *http.Request) bool { return registrytest.Kind(r) == "GET referrer" }, 1, "", false},
		"HEAD alone": {403, func(r *http.Request) bool { return r.Method == http.MethodHead }, 1, "", false},
		"all of it":  {403, func(r *http.Request) bool { return registrytest.Kind(r) != "GET base" }, 0, "", true},
		"busy":       {503, func(r *http.Request) bool { return isTag(r, ".sig") }, 0, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := registrytest.StartProxy(t, reg.Host)
			p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				return k.refuses(r) && refuse(w, r, k.status, "DENIED", "")
			}
			r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				all, err := r.Attachments(t.Context(), subject)
				if k.fails {
					if err == nil {
						t.Errorf("%+v", all)
					}
					continue
				}
				var sorts []string
				for _, u := range all.Unknown {
					sorts = append(sorts, u.Sort)
					if !strings.Contains(u.Error(), "not known") || (u.Hint() == "") != (k.status < 405) || !u.Permanent() {
						t.Errorf("says %v", u)
					}
				}
				if err != nil || len(all.List) != k.list || !sameWords(sorts, k.unknown) {
					t.Errorf("%+v, %q, %v", all.List, sorts, err)
				}
			}
		})
	}
}

func sameWords(got []string, want string) bool {
	list := strings.Fields(want)
	for _, w := range list {
		if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
			return false
		}
	}
	return len(got) == len(list)
}

// TestSecondLookHasANewToken has a token that is good for the image and not for the tag of
// its signature, until a new one is asked for.
func TestSecondLookHasANewToken(t *testing.T) {
	c := ocitest.New(15)
	subject := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	var tokens atomic.Int32
	service := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"token":"t` + string('0'+rune(tokens.Add(1))) + `"}`))
	})
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case token == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case token == "t1" && strings.Contains(r.URL.Path, "sha256-"):
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	r, err := quick(t, Config{Authfile: authfile(t, map[string]string{host: "user:geheim"})}).Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Attachments(t.Context(), subject)
	if err != nil || len(all.List)+len(all.Unknown) > 0 || tokens.Load() != 2 {
		t.Errorf("%+v, %v, %d tokens", all, err, tokens.Load())
	}
}

// TestReferrersInOddWords has a registry list a referrer in words of its own: its manifest says the rest.
func TestReferrersInOddWords(t *testing.T) {
	t.Parallel()
	c := ocitest.New(13)
	subject, referrer := attachedSet(t, c)
	reg := registrytest.Start(t)
	mustFill(t, mirrorAt(insecure(t), reg.Host, 1), c, attachedImages(subject, referrer))
	for name, entry := range map[string]string{
		"as it should be":  fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, referrer.MediaType, referrer.Digest, referrer.Size),
		"a size in quotes": fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":"%d"}`, referrer.MediaType, referrer.Digest, referrer.Size),
		"no size":          fmt.Sprintf(`{"mediaType":%q,"digest":%q}`, referrer.MediaType, referrer.Digest),
		"no media type":    fmt.Sprintf(`{"digest":%q,"size":%d}`, referrer.Digest, referrer.Size),
		"another type":     fmt.Sprintf(`{"mediaType":"application/json","digest":%q,"size":%d}`, referrer.Digest, referrer.Size),
	} {
		p := registrytest.StartProxy(t, reg.Host)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "GET referrer" {
				return false
			}
			w.Header().Set("Content-Type", oci.MediaTypeIndex)
			fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[%s]}`, entry)
			return true
		}
		r, err := insecure(t).Repository(oci.Ref{Registry: p.Host, Repository: "mirror/team/a"})
		if err != nil {
			t.Fatal(err)
		}
		list, err := r.Attachments(t.Context(), subject)
		if err != nil || len(list.List) != 1 {
			t.Errorf("%s: %+v, %v", name, list, err)
			continue
		}
		if got := list.List[0].Root; got.Digest != referrer.Digest || got.Size != referrer.Size || got.MediaType != referrer.MediaType {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
