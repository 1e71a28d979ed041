package transport

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestDelete removes a manifest with its tags from real registries, and finds out of each whether
// it deletes a tag alone; the others of the repository stay.
func TestDelete(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]struct {
		host string
		tags bool
	}{
		"distribution 3":      {registrytest.StartV3(t, false, "", "").Host, true},
		"docker-registry 2.8": {registrytest.Start(t).Host, false},
		"olareg":              {registrytest.StartOlareg(t).Host, true},
	} {
		t.Run(name, func(t *testing.T) {
			content := ocitest.New(71)
			a, b := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.Image(true, content.Layer(2000, ocitest.LayerGzip))
			m := mirrorAt(insecure(t), site.host, 2)
			repo := oci.Ref{Registry: site.host, Repository: "mirror/team/a"}
			for tag, root := range map[string]oci.Descriptor{"1": a, "2": a, "3": b} {
				if err := ocitest.Push(t.Context(), content, root, "http://"+site.host, repo.Repository, tag); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := m.DeletesTags(t.Context(), repo); err != nil || got != site.tags {
				t.Fatalf("deletes tags alone: %v, %v", got, err)
			}
			if site.tags {
				if err := m.Delete(t.Context(), repo.WithTag("2")); err != nil {
					t.Fatal(err)
				}
				named(t, m, "1", a.Digest)
				named(t, m, "2", "")
			} else if err := m.Delete(t.Context(), repo.WithTag("2")); err == nil {
				t.Error("a tag is deleted by a registry that does not delete tags")
			} else {
				named(t, m, "2", a.Digest)
			}
			for range 2 { // the second time it is not there
				if err := m.Delete(t.Context(), repo.WithDigest(a.Digest)); err != nil {
					t.Fatal(err)
				}
				if there, err := m.Has(t.Context(), repo.WithDigest(a.Digest)); err != nil || there {
					t.Errorf("it is there: %v, %v", there, err)
				}
			}
			named(t, m, "1", "")
			named(t, m, "3", b.Digest)
			tags, err := m.Tags(t.Context(), repo)
			if err != nil || strings.Join(tags, " ") != "3" {
				t.Errorf("tags %v are left, %v", tags, err)
			}
			if _, body, err := m.Manifest(t.Context(), repo.WithDigest(a.Digest)); err != nil || body != nil {
				t.Errorf("%s, %v", body, err)
			}
			if d, body, err := m.Manifest(t.Context(), repo.WithDigest(b.Digest)); err != nil || d.Digest != b.Digest || oci.Digest(body) != b.Digest {
				t.Errorf("%v, %s, %v", d, body, err)
			}
		})
	}
}

// TestDeleteRefused names the sort of each refusal; a registry that is away is none.
func TestDeleteRefused(t *testing.T) {
	t.Parallel()
	d := oci.Digest([]byte("some"))
	for name, c := range map[string]struct {
		status int
		body   string
		want   DeleteTrouble
	}{
		"switched off": {405, `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`, DeleteUnsupported},
		"not built":    {501, "", DeleteUnsupported},
		"unsupported":  {400, `{"errors":[{"code":"UNSUPPORTED"}]}`, DeleteUnsupported},
		"immutable":    {412, `{"errors":[{"code":"PRECONDITION","message":"configured as immutable"}]}`, DeleteProtected},
		"403 of a tag": {403, `{"errors":[{"code":"DENIED","message":"tag is immutable"}]}`, DeleteProtected},
		"referred to":  {409, "", DeleteProtected},
		"denied":       {403, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, DeleteDenied},
		"odd":          {406, "", DeleteOther},
		"kept":         {202, "", DeleteKept},
		"not found":    {404, "", DeleteKept}, // by a proxy that does not know the method
		"away":         {503, "", ""},
	} {
		var deletes atomic.Int32
		host := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				deletes.Add(1)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body)) // the client has gone
			}
		})
		m := mirrorAt(insecure(t), host, 2)
		err := m.Delete(t.Context(), oci.Ref{Registry: host, Repository: "mirror/a", Digest: d})
		var refused *DeleteError
		var answer *RegistryError
		switch {
		case c.want == "" && (errors.As(err, &refused) || !errors.As(err, &answer) || !answer.Away() || deletes.Load() != 3):
			t.Errorf("%s: %v after %d requests", name, err, deletes.Load())
		case c.want != "" && (!errors.As(err, &refused) || refused.Trouble != c.want || !refused.Permanent()):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeleteScopes asks a token service that does not know the action "delete" once more.
func TestDeleteScopes(t *testing.T) {
	t.Parallel()
	gone := atomic.Bool{}
	var host string
	host = fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token" && strings.Contains(r.URL.RawQuery, "delete"):
			w.WriteHeader(http.StatusBadRequest)
		case r.URL.Path == "/token":
			_, _ = w.Write([]byte(`{"token":"t"}`)) // the client has gone
		case r.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+host+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodDelete:
			gone.Store(true)
			w.WriteHeader(http.StatusAccepted)
		case gone.Load():
			w.WriteHeader(http.StatusNotFound)
		}
	})
	m := mirrorAt(insecure(t), host, 2)
	if err := m.Delete(t.Context(), oci.Ref{Registry: host, Repository: "mirror/a", Digest: oci.Digest([]byte("some"))}); err != nil || !gone.Load() {
		t.Errorf("%v", err)
	}
}

// TestReferrersKeptBy tells who keeps the list of what refers to an image.
func TestReferrersKeptBy(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{registrytest.StartOlareg(t).Host: true, registrytest.StartV3(t, false, "", "").Host: false} {
		content := ocitest.New(72)
		a := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
		if err := ocitest.Push(t.Context(), content, a, "http://"+host, "mirror/team/a", "1"); err != nil {
			t.Fatal(err)
		}
		list, itself, err := mirrorAt(insecure(t), host, 2).Referrers(t.Context(), oci.Ref{Registry: host, Repository: "mirror/team/a", Digest: a.Digest})
		if err != nil || len(list) != 0 || itself != want {
			t.Errorf("%d referrers, the registry keeps the list: %v, %v", len(list), itself, err)
		}
	}
}
