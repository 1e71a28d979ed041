#!/bin/sh
# Installs the programs that the tests use, where it can: as root on Debian or
# Fedora, and only those that are missing. Everywhere else it says which tests
# will be skipped. It always ends well, because every such test skips by name.
set -u

# package_of PROGRAM MANAGER: the package that has the program.
package_of() {
	case $2:$1 in
	*:ssh-keygen) [ "$2" = dnf ] && echo openssh-clients || echo openssh-client ;;
	dnf:docker-registry) echo docker-distribution ;;
	*:mkfs.exfat) echo exfatprogs ;;
	apt:bsdtar) echo libarchive-tools ;;
	apt:mount.exfat-fuse) echo exfat-fuse ;;
	dnf:mount.exfat-fuse) echo fuse-exfat ;;
	dnf:par2) echo par2cmdline ;;
	*:fusermount3) echo fuse3 ;;
	apt:script) echo bsdutils ;;
	dnf:script) echo util-linux-script ;;
	*:qemu-*-static) echo qemu-user-static ;;
	*) echo "$1" ;;
	esac
}

# used_for PROGRAM: what is not tested without it.
used_for() {
	case $1 in
	docker-registry) echo "against a distribution registry" ;;
	skopeo) echo "that read images and layouts by skopeo" ;;
	podman) echo "that pull images by podman" ;;
	age | zstd | tar | curl) echo "that open a bundle by standard tools" ;;
	python3) echo "that read bundles by a second reader" ;;
	ssh-keygen) echo "of SSH keys and signatures" ;;
	mkfs.exfat | mount.exfat-fuse) echo "on an exFAT drive" ;;
	xorriso | genisoimage | bsdtar) echo "of discs" ;;
	par2) echo "of speed beside par2cmdline (make bench)" ;;
	strace) echo "of pack killed at system calls, of their order, and of what serve stores" ;;
	fusermount3) echo "of a drive that is pulled" ;;
	script) echo "on a terminal" ;;
	gcc) echo "with the race detector" ;;
	qemu-*-static) echo "of the bytes of built layers on the other architecture" ;;
	esac
}

# have PROGRAM: Fedora's docker-distribution calls its program registry.
have() {
	command -v "$1" >/dev/null 2>&1 || { [ "$1" = docker-registry ] && command -v registry >/dev/null 2>&1; }
}

manager=
if [ "$(id -u)" = 0 ]; then
	if command -v apt-get >/dev/null 2>&1; then
		manager=apt
	elif command -v dnf >/dev/null 2>&1; then
		manager=dnf
	fi
fi

case $(uname -m) in
aarch64) other=qemu-x86_64-static ;;
*) other=qemu-aarch64-static ;;
esac
programs="docker-registry skopeo podman age zstd tar curl python3 ssh-keygen mkfs.exfat mount.exfat-fuse xorriso genisoimage bsdtar par2 fusermount3 script strace gcc $other"
missing=
for p in $programs; do
	have "$p" || missing="$missing $p"
done

if [ -n "$missing" ] && [ -n "$manager" ]; then
	echo "deps: installing$missing" >&2
	[ "$manager" = apt ] && apt-get update -qq >/dev/null
	for p in $missing; do # one by one: one that does not exist must not stop the others
		package=$(package_of "$p" "$manager")
		case $manager in
		apt) [ "$p" != gcc ] || package="gcc libc6-dev"
			# shellcheck disable=SC2086 # two packages are two words
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $package >/dev/null ;;
		dnf) dnf install -y -q --setopt=install_weak_deps=False "$package" >/dev/null ;;
		esac || echo "deps: $package could not be installed" >&2
	done
fi

# Debian starts a registry as soon as it is installed. The tests start their own.
case "$manager:$missing" in
apt:*docker-registry*) ! command -v systemctl >/dev/null 2>&1 || systemctl disable --now docker-registry >/dev/null 2>&1 || : ;;
esac

for p in $missing; do
	have "$p" || echo "deps: $p is missing: tests $(used_for "$p") will be skipped" >&2
done
exit 0
