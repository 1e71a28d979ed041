package media

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mount is the mount that a directory is on. The zero value is an unknown one.
type Mount struct {
	Point  string // where it is mounted
	Source string // such as /dev/sdb1
	Type   string // of the file system, such as exfat
	FS     string // names the file system wherever it is mounted; "" unknown
	Root   bool   // it is the file system that / is on
	System bool   // it belongs to the running system, as / and /var do
	Memory string // what of memory it is in, such as tmpfs; "" for another
}

// Known reports whether anything is known of the mount.
func (m Mount) Known() bool { return m.Point != "" }

// memory names the kind of a file system that keeps its files in memory, or the device in
// memory that it is on, "" for another one.
func memory(kind, source string) string {
	switch kind {
	case "tmpfs", "ramfs", "devtmpfs", "rootfs":
		return kind
	}
	name, isDevice := strings.CutPrefix(source, "/dev/")
	number := strings.TrimPrefix(strings.TrimPrefix(name, "z"), "ram") // ram0, zram0
	if isDevice && number != "" && strings.HasSuffix(name, "ram"+number) && strings.Trim(number, "0123456789") == "" {
		return source
	}
	return ""
}

// Other reports whether two file systems are known to differ: names of two kinds, as one
// gets with udev and without, say nothing of each other.
func (m Mount) Other(fsID string) bool {
	kind, _, _ := strings.Cut(m.FS, ":")
	other, _, _ := strings.Cut(fsID, ":")
	return m.FS != "" && m.FS != fsID && kind == other
}

// Tables are the files in which the system says what is mounted, and what should be.
type Tables struct{ Mounts, Fstab, Disks string }

// System gives the tables of the running system.
func System() Tables {
	return Tables{Mounts: "/proc/self/mountinfo", Fstab: "/etc/fstab", Disks: "/dev/disk"}
}

// Within reports whether path is dir or below it; both are absolute and clean.
func Within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// Real gives the absolute path of dir without links, of a directory that is not there as
// far as it is.
func Real(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", &Error{"look at", dir, err}
	}
	for at, rest := abs, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		resolved, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(resolved, rest), nil
		}
		if at == filepath.Dir(at) {
			return abs, nil
		}
	}
}

// Existing gives the part of path that is there.
func Existing(path string) string {
	for path != filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// systemPoints are where a system mounts its own file systems.
var systemPoints = []string{
	"/", "/boot", "/boot/efi", "/efi", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/usr/local", "/etc", "/home", "/root", "/opt", "/srv",
	"/tmp", "/var", "/var/cache", "/var/home", "/var/lib", "/var/lib/containers", "/var/log", "/var/spool", "/var/tmp", "/run", "/run/lock", "/run/shm",
	"/dev", "/dev/shm", "/proc", "/sys", "/sysroot", "/nix", "/ostree", "/gnu/store",
}

// IsSystemPoint reports whether systems mount file systems of their own there.
func IsSystemPoint(point string) bool {
	return slices.Contains(systemPoints, point) || filepath.Dir(point) == "/run/user"
}

// FstabPoint is a mount point that fstab names.
type FstabPoint struct{ Point, Spec string }

// Expected gives what fstab mounts at dir or above it, the nearest first.
func (t Tables) Expected(dir string) (list []FstabPoint) {
	body, err := os.ReadFile(t.Fstab)
	if err != nil {
		return nil // there are systems without
	}
	for line := range strings.Lines(string(body)) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") || !filepath.IsAbs(f[1]) || f[2] == "swap" {
			continue
		}
		point, err := Real(unescape(f[1]))
		if err != nil || point == "/" || !Within(dir, point) {
			continue
		}
		list = append(list, FstabPoint{point, unescape(f[0])})
	}
	slices.SortStableFunc(list, func(a, b FstabPoint) int { return len(b.Point) - len(a.Point) })
	return list
}

// specs are the directories of links to disks, by the words that fstab has for them.
var specs = map[string]string{"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}

// disk gives the device that fstab means by spec, "" where that is not known. absent is
// true of one that is not plugged in.
func (t Tables) disk(spec string) (device string, absent bool) {
	device = spec
	if word, value, ok := strings.Cut(spec, "="); ok {
		dir := filepath.Join(t.Disks, specs[word])
		if specs[word] == "" {
			return "", false
		}
		if _, err := os.Stat(dir); err != nil {
			return "", false // nobody keeps such links here
		}
		device = filepath.Join(dir, linkName(strings.Trim(value, `"`)))
	} else if !strings.HasPrefix(spec, "/dev/") {
		return "", false
	}
	resolved, err := filepath.EvalSymlinks(device)
	if err != nil {
		return "", true
	}
	return resolved, false
}

// linkName is how udev writes a label or an ID in the name of a link: with \x20 for a space.
func linkName(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c >= 0x80, strings.IndexByte("#+-.:=@_", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// Replaced reports whether another disk is mounted than the one that fstab names.
func (t Tables) Replaced(want FstabPoint, have Mount) bool {
	device, absent := t.disk(want.Spec)
	if !strings.HasPrefix(have.Source, "/dev/") || device == "" && !absent {
		return false
	}
	resolved, err := filepath.EvalSymlinks(have.Source)
	if err != nil {
		return false
	}
	return absent || !sameDisk(device, resolved)
}

func sameDisk(a, b string) bool {
	x, errx := os.Stat(a)
	y, erry := os.Stat(b)
	return a == b || errx != nil || erry != nil || rawDevice(x) == rawDevice(y)
}

// unescape reads the octal escapes of mountinfo and fstab, such as \040 for a space.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && octal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(s string) bool {
	return strings.Trim(s, "01234567") == "" && s[0] <= '3'
}
