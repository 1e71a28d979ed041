// Package update is the way from the version that a cluster runs to the newest one that
// is carried: one payload after another, the gates and operators that hold an update back,
// pools that wait, signatures, images that nodes load before, and the update service.
package update
