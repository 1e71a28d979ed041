package manifests

import (
	_ "github.com/ProtonMail/go-crypto/openpgp"
	_ "github.com/blang/semver/v4"
	_ "github.com/openshift/runtime-utils/pkg/registries"
	_ "github.com/operator-framework/operator-registry/alpha/declcfg"
	_ "helm.sh/helm/v3/pkg/action"
	_ "helm.sh/helm/v3/pkg/chart/loader"
	_ "helm.sh/helm/v3/pkg/engine"
	_ "helm.sh/helm/v3/pkg/repo"
	_ "k8s.io/api/core/v1"
	_ "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	_ "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	_ "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	_ "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
)
