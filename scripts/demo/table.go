package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// table prints what the demo has shown.
func (d *demo) table() error {
	drive, err := treeSize(filepath.Join(d.dir, "work", "drive"))
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"images", fmt.Sprint(len(d.images))},
		{"digests, all equal", fmt.Sprint(d.digests)},
		{"unique blob bytes", size(d.blobBytes)},
		{"bytes on the drive", size(drive)},
		{"fetched again by pack", size(d.fetched - d.blobBytes)},
		{"sent again by unpack", size(d.mirror.taken.total() - d.blobBytes)},
		{"wall time of pack", seconds(d.packTime)},
		{"wall time of unpack", seconds(d.unpackTime)},
		{"wall time of all", seconds(time.Since(d.began))},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
}

// treeSize sums the lengths of the files below dir.
func treeSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

func size(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/mib) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
