// Package ledger is what a packing host remembers of the bundles that it made, for sites
// that send nothing back.
//
// A ledger belongs to one stream. It counts the stream's bundles and gives no number twice,
// and it keeps what each of them needs, and its filtered catalogs. It is a directory below
// the state directory, $XDG_STATE_HOME/satchel/ledgers/<name of the stream>:
//
//	ledger.json              the bundles; replaced as a whole, under a lock on the directory
//	content-<id>.json.gz     what one bundle needs: images, manifests and blobs, [Content]
//	catalog-<sha256>.json.gz one filtered catalog, documents of file-based catalogs as JSON
//
// ledger.json has every bundle for ever. Content and catalogs stay of the newest bundle that
// is known to have arrived, and of the last [Kept] bundles.
//
// A bundle gets its number by [Store.Reserve], just before it is sealed, and keeps it over
// interruptions. [Store.Sealed] and [Store.Verified] note what became of it; what a crash
// kept from being noted is taken from the bundle's journal the next time. [Confirm] notes
// that a bundle arrived.
package ledger
