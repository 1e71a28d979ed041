package layers

import (
	"archive/tar"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
)

// Parent is a directory that others are in, as the highest layer has it that has an
// entry for it.
type Parent struct {
	Mode fs.FileMode `json:"mode"`
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
	// Other says that it is no directory, but a link most likely.
	Other bool `json:"other,omitempty"`

	in Layer
}

// Parents lists the directories, paths from the root of the image, that directories
// are in, each before what it has; not the root itself.
func Parents(dirs ...string) []string {
	var list []string
	for _, dir := range dirs {
		for p := parent(rooted(dir)); p != ""; p = parent(p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// rooted is a directory as layers have it.
func rooted(dir string) string { return strings.TrimPrefix(path.Clean("/"+dir), "/") }

// around takes note of what is where directories are that others are in, and of what is
// in the place of the directories and is none. Layers come from the top down;
// the last entry of a layer counts.
func (c *Census) around(l Layer, p string, h *tar.Header) {
	isDir := h.Typeflag == tar.TypeDir
	if c.Around == nil || p == "" || !slices.ContainsFunc(c.Dirs, func(dir string) bool { return below(rooted(dir), p) || !isDir && rooted(dir) == p }) {
		return
	}
	if was, ok := c.Around[p]; ok && was.in != l {
		return
	}
	if !isDir {
		c.Around[p] = Parent{Other: true, in: l}
		return
	}
	if no := func(id int) bool { return id < 0 || id > math.MaxInt32 }; no(h.Uid) || no(h.Gid) {
		return
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	c.Around[p] = Parent{Mode: h.FileInfo().Mode() & bits, UID: h.Uid, GID: h.Gid, in: l}
}
