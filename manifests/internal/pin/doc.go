// Package pin pins the images that a configuration wants to digests.
//
// [Find] asks for each image, and selects its platforms where the configuration
// chooses some. Images that come to one repository of the mirror leave out nothing
// that another of them brings ([ShareParts]). What mirror.blockedImages matches is
// left out before ([LeaveOutBlocked]); a tag that two images of pods want stays with
// one of them ([AssignPodTags]).
package pin
