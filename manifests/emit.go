package manifests

import (
	"io/fs"

	"github.com/satchel-airgap/satchel/oci"
)

// Site is the far side: the mirror and what the cluster has at present.
type Site struct {
	Mirror       oci.Mirror
	PullSecret   *PullSecret  // the cluster's present one; nil: not given
	Credential   *Credential  // what the mirror is pulled with; nil: none is needed or known
	CA           []byte       // PEM of the authorities that signed the mirror's certificate; nil: none
	PresentCA    *RegistryCA  // the ConfigMap that image.config names now; nil: not given
	PresentImage *ImageConfig // image.config.openshift.io/cluster as it is now; nil: not given
	// CatalogNames gives catalogs the name of their CatalogSource. A key is a
	// catalog's reference as configured, or without its tag and digest.
	CatalogNames map[string]string
}

// Credential is a user's name and password in a registry.
type Credential struct{ Username, Password string }

// File is one file that [Emit] makes.
type File struct {
	Name string      // relative, of [a-z0-9.-] besides APPLY.md and README.md; below "restore/" or at the top
	Mode fs.FileMode // 0600 for what holds secrets, else 0644
	Body []byte
}

// SiteError says that what would be written does not fit the cluster or the
// mirror as [Site] has them.
type SiteError struct {
	Msg  string
	Hint string // what to do about it; may be empty, is not part of Error()
}

func (e *SiteError) Error() string { return e.Msg }

// Emit makes the files that point a cluster at its mirror, sorted by name. The
// notes are what a person must know, one line each, for the terminal; APPLY.md
// has them too. The same input gives the same bytes. The error is a *[SiteError]
// where the site is at fault.
func Emit(inv *oci.Inventory, site Site) (files []File, notes []string, err error) {
	return nil, nil, nil
}
