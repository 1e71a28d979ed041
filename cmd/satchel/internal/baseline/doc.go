// Package baseline says what a mirror has already, so that a bundle need not carry it: by
// the ledger of the packing host ([OfLedger]) or by receipts that came back ([OfReceipts]).
//
// A blob that the mirror has in any repository need not travel: it can be mounted from there.
// A manifest must be in the repository in which an image needs it. Where a bundle is for
// several mirrors, all of them must have what it leaves out.
package baseline
