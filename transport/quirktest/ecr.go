package quirktest

import "net/http"

// ecr is Amazon's private registry.
//
//   - Repositories are created beforehand, 404 NAME_UNKNOWN.
//   - A tag of an immutable repository is refused for the same manifest too
//     (aws/containers-roadmap#2380, moby/buildkit#3776).
//   - A manifest with a subject is refused, 405 (aws/containers-roadmap#2783), and there is
//     no list of referrers, 404 (notaryproject/ratify#410).
//   - Manifests and uploads are deleted by Amazon's own API alone, here 405.
//   - An index comes after its children (docker/buildx#663); many requests, 429.
func ecr() vendor {
	return vendor{project: "team",
		login: basic(`Basic realm="https://ecr.example/",service="ecr.amazonaws.com"`),
		quirks: []quirk{
			once("POST upload", http.StatusTooManyRequests, "", "TOOMANYREQUESTS", "Rate exceeded"),
			created(http.StatusNotFound, "NAME_UNKNOWN", "The repository with that name does not exist in the registry"),
			fixed(http.StatusBadRequest, "TAG_INVALID", "The image tag already exists in the repository and cannot be overwritten because the repository is immutable."),
			undeletable(http.StatusMethodNotAllowed, "manifest", "blob", "upload"),
			noReferrers(http.StatusNotFound),
			when("a manifest with a subject", func(_ *Server, r *request) bool { return r.named().Subject != nil }, http.StatusMethodNotAllowed, "UNSUPPORTED", "Invalid parameter"),
			childrenFirst(http.StatusNotFound, "MANIFEST_UNKNOWN", "Images with digests do not exist"),
			toStorage("GET blob"),
			noMount,
			pages(1000),
		}}
}

// ecrPublic is Amazon's public registry: as the private one, but HEAD of a blob is
// answered 401, with a good token too (buildbuddy-io/buildbuddy#12566).
func ecrPublic() vendor {
	v := ecr()
	v.login = bearer(tokens{path: "/token/", service: "public.ecr.aws", grant: inProject})
	v.quirks = append([]quirk{when("HEAD of a blob", func(_ *Server, r *request) bool { return r.kind == "HEAD blob" }, http.StatusUnauthorized, "DENIED", "not authorized")}, v.quirks...)
	return v
}
