#!/usr/bin/env python3
"""A second reader of the satchel bundle format, made from bundle/FORMAT.md alone.

It shows that the specification is enough to read a bundle, and finds what it leaves
open. It is for tests and for the day when there is no satchel: it is slow, and careful.
It needs Python 3.8 or newer, and as programs age (1.3 for post-quantum bundles), zstd,
and for bundles that are signed ssh-keygen.

    reader.py verify [-i KEY] DIR...      every check that needs no key; with one, also the content
    reader.py list -i KEY DIR...          the images, gaps and documents
    reader.py extract -i KEY DIR... OUT   an OCI image layout, after all checks
    reader.py cat -i KEY DIR... DIGEST    one blob, by the seek tables
    reader.py rebuild DIR... OUT          segments that are lost or damaged, from parity files
    reader.py batch                       such a line from each line of stdin: for tests

DIR is the directory of one drive: name all of a bundle. A supplement and the damaged
bundle are named together. --allow-plain allows a bundle that is not encrypted,
--trust FILE demands a signature by a key of an allowed signers file (--signers N: by
so many), --expect HEX demands this fingerprint, --baseline DIR checks that this bundle
has what the other leaves out.

Each fault is a line "DIR/FILE: what is wrong", with the offset where it is known.
Exit codes: 0 whole, 4 damaged, unfinished or changed by a copy, 2 usage, refused, or a feature that this
reader lacks, 5 key, 1 anything else. It does not know how README.txt is worded, so it compares that
file with SHA256SUMS alone.
"""

import argparse
import base64
import binascii
import contextlib
import datetime
import hashlib
import io
import json
import os
import re
import shlex
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, NoReturn, Optional, Set, Tuple

MiB = 1 << 20
FRAME = WINDOW = MANIFEST = 4 * MiB
TEXT = 40 * MiB
ELEMENTS = 1 << 19
LINE = 16 * MiB
INDEX = 128 * MiB
LARGEST = (1 << 32) - 1
FEATURES = {"across", "baseline", "drives", "parity", "plain", "signatures", "supplement"}
CLASSIC = {"X25519", "ssh-ed25519", "ssh-rsa", "p256tag", "piv-p256"}
QUANTUM = {"mlkem768x25519", "mlkem768p256tag"}

SIGNATURE = r"(?:drive|bundle)\.json(?:\.(?:[2-9]|[1-9][0-9]))?\.sig"
OTHER = r"other-[1-9][0-9]?-(?:(?:drive|bundle)(?:-[1-9][0-9]?\.sig|\.json)|index\.(?:age|zst))"
KEY_NAME = r"key-[1-9][0-9]?\.age"
SEGMENT = r"s-[0-9]{2}-(?!00000)[0-9]{5}\.(?:age|zst)"
PARITY = r"p-(?!000)[0-9]{3}-(?!00)[0-9]{2}\.par"
SMALL = rf"index\.(?:age|zst)|drive\.json|bundle\.json|extras\.json|parity\.json|{KEY_NAME}|{SIGNATURE}|{OTHER}"
GRAMMAR = rf"{SMALL}|{SEGMENT}|{PARITY}|README\.txt|SHA256SUMS"


class Fault(Exception):
    """Damage: the file, what is wrong with it, and where."""

    def __init__(self, file: str, text: str, offset: Optional[int] = None):
        super().__init__(text if offset is None else f"{text} (at offset {offset})")
        self.file = file


class Refused(Exception):
    """What this reader does not do: a missing feature, or a permission that nobody gave."""


class NoKey(Exception):
    """The key opens nothing."""


class Report:
    """What was found, for people: faults are damage, changes and notes are not."""

    def __init__(self) -> None:
        self.faults: List[str] = []
        self.changes: Set[str] = set()

    def fault(self, where: str, file: str, text: object) -> None:
        line = f"{where}/{file}: {text}"
        if line not in self.faults:
            self.faults.append(line)
            print(line)

    def change(self, where: str, file: str, text: str) -> None:
        """No damage, but not as it was sealed: an interrupted change, or a copy as text."""
        line = f"{where}/{file}: {text}"
        if line not in self.changes:
            self.changes.add(line)
            print(line)

    def note(self, text: str) -> None:
        print(f"note: {text}")


# ---- files

def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def open_file(where: str, name: str) -> BinaryIO:
    """Opens a regular file below the directory, never through a link."""
    path = os.path.join(where, name)
    try:
        if "/" in name and not stat.S_ISDIR(os.lstat(os.path.dirname(path)).st_mode):
            raise Fault(name, "its directory is a link or a file")
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise Fault(name, "is missing") from None
    except OSError as e:
        raise Fault(name, f"cannot be opened: {e.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Fault(name, "is no regular file")
    return os.fdopen(fd, "rb")


def read_file(where: str, name: str, limit: int) -> bytes:
    with open_file(where, name) as file:
        data = read_from(file, name, limit + 1)
    if len(data) > limit:
        raise Fault(name, f"is larger than {limit} bytes")
    return data


def read_from(file: BinaryIO, name: str, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as e:
        raise Fault(name, f"cannot be read: {e.strerror}") from None


def compare(where: str, want: Dict[str, Any], keep: Optional[BinaryIO] = None) -> None:
    """Compares a file with its size and SHA-256, and keeps what was compared."""
    name, size = want["name"], want["size"]
    with open_file(where, name) as file:
        have = os.fstat(file.fileno()).st_size
        if have != size:
            raise Fault(name, f"has {have} bytes, not {size}", min(have, size))
        digest, total = hashlib.sha256(), 0
        while chunk := read_from(file, name, MiB):
            digest.update(chunk)
            total += len(chunk)
            if keep:
                keep.write(chunk)
    if total != size or digest.hexdigest() != want["sha256"]:
        raise Fault(name, "its SHA-256 is not the one that binds it")


# ---- JSON: shapes of objects, and how seals are written

Check = Callable[[Any], None]


def bad(text: str) -> NoReturn:
    raise ValueError(text)


def text(value: Any) -> None:
    if not isinstance(value, str):
        bad(f"{value!r} is no text")


def match(pattern: str) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            bad(f"{value!r} does not match {pattern}")
    return check


def number(low: int, high: int = 1 << 50) -> Check:
    def check(value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            bad(f"{value!r} is no number from {low} to {high}")
    return check


def boolean(value: Any) -> None:
    if not isinstance(value, bool):
        bad(f"{value!r} is neither true nor false")


def true(value: Any) -> None:
    if value is not True:
        bad(f"{value!r} is not true")


def every(check: Check, most: int = ELEMENTS, least: int = 0) -> Check:
    def inner(value: Any) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            bad("is no list, or one of another length")
        for item in value:
            check(item)
    return inner


def shape(keys: Dict[str, Check], ordered: bool = True) -> Check:
    """An object with these keys: one that ends with ? may be missing, others are ignored."""
    known = {key.rstrip("?"): check for key, check in keys.items()}
    def check(value: Any) -> None:
        if not isinstance(value, dict):
            bad(f"{value!r} is no object")
        for key in keys:
            if not key.endswith("?") and key not in value:
                bad(f'"{key}" is missing')
        for key, item in value.items():
            if key in known:
                try:
                    known[key](item)
                except ValueError as e:
                    bad(f'"{key}": {e}')
        if ordered and [k for k in value if k in known] != [k for k in known if k in value]:
            bad("keys are not in the order of the format")
    return check


def moment(value: Any) -> None:
    match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")(value)
    datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")


ID, HEX, DIGEST, FEATURE = match(r"[a-z2-7]{16}"), match(r"[0-9a-f]{64}"), match(r"sha256:[0-9a-f]{64}"), match(r"[a-z0-9][a-z0-9-]{0,31}")
PACKED_BY = match(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")


def entry(pattern: str, most: int = LARGEST) -> Check:
    return shape({"name": match(pattern), "size": number(0, most), "sha256": HEX})


STREAM = shape({"ledger": match(r"[0-9a-f]{32}"), "name": match(r"[a-z0-9][a-z0-9._-]{0,63}")})
GROWING: Dict[str, Check] = {"needs?": every(FEATURE, 32), "packedBy?": PACKED_BY}
DRIVE = shape({"satchel": match("drive/1"), "bundle": ID, "drive": number(1, 99), "label": text, "of?": number(2, 99), "readme?": number(1),
               "complete": boolean, "files": every(entry(SEGMENT), 262144)})
BUNDLE = shape({"satchel": match("bundle/1"), "bundle": ID, "created": moment, "stream?": STREAM, "sequence": number(1, 2**31 - 1), "partial?": true,
                "supplements?": shape({"bundle": ID, "fingerprint": HEX}),
                "drives": every(shape({"drive": number(1, 99), "sha256": HEX, "signatures?": every(entry(r"drive\.json(\.[1-9][0-9]?)?\.sig", 16384), 99)}), 99, 1),
                "index": entry(r"index\.(age|zst)", 1 << 50), "readme?": number(1), **GROWING})
EXTRAS = shape({"satchel": match("extras/1"), "bundle": ID, "seal?": HEX, "drive?": HEX,
                "files": every(entry(rf"{KEY_NAME}|{SIGNATURE}|{PARITY}|parity\.json|{OTHER}")), **GROWING})
GROUP = {"group": number(1, 999), "files": every(entry(SEGMENT), 256), "parity": every(entry(PARITY), 99), "drives?": every(number(1, 99), 256)}
PARITIES = shape({"satchel": match("parity/1"), "bundle": ID, "seal?": HEX, "drive?": HEX, "parity": number(1, 99), "data": number(1, 255),
                  "shard": number(65536, 64 * MiB), "groups": every(shape(GROUP, ordered=False), 999)})
HEAD = shape({"satchel": match("parity-file/1"), "bundle": ID, "seal": HEX, "shard": number(65536, 64 * MiB), "group": number(1, 999),
              "files": every(entry(SEGMENT), 256), "parity": number(1, 99)}, ordered=False)


def parse(data: bytes) -> Dict[str, Any]:
    """Reads one object, in which no object has a key twice, and whose lists are not too long."""
    elements = 0
    def pairs(items: List[Tuple[str, Any]]) -> Dict[str, Any]:
        nonlocal elements
        if len(items) > 1000 or len({key.lower() for key, _ in items}) != len(items):
            bad("an object has a key twice, or too many")
        elements += sum(len(value) for _, value in items if isinstance(value, list))
        return dict(items)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=bad, parse_float=bad)
    except RecursionError:
        bad("is nested too deeply")
    if not isinstance(value, dict) or elements > ELEMENTS:
        bad("is no object, or its lists have too many elements")
    return value


def written(value: str) -> str:
    """A string as a seal has it."""
    out = json.dumps(value, ensure_ascii=False)
    return out.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def laid_out(source: str) -> str:
    """The same JSON as a seal is written: indented by one space, a newline at the end."""
    out, depth, before = [], 0, ""
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', source):
        if token in ("}", "]"):
            depth -= 1
            if before not in ("{", "["):
                out.append("\n" + " " * depth)
        elif before in ("{", "["):
            out.append("\n" + " " * depth)
        if token[0] == '"':
            token = written(json.loads(token))
        out.append({",": ",\n" + " " * depth, ":": ": "}.get(token, token))
        if token in ("{", "["):
            depth += 1
        before = token
    return "".join(out) + "\n"


def needs(value: Dict[str, Any], file: str) -> Set[str]:
    """The features that a file needs: looked at before all else in it."""
    shape(GROWING, ordered=False)(value)
    names = value.get("needs", [])
    if names != sorted(set(names)) or ("packedBy" in value) != bool(names):
        bad("needs is not sorted, or stands without packedBy")
    for name in names:
        if name not in FEATURES:
            raise Refused(f"{file} needs the feature {name}, which this reader lacks; packed by {value['packedBy']}")
    return set(names)


def read_seal(data: bytes, name: str, check: Check) -> Dict[str, Any]:
    try:
        value = parse(data)
        if laid_out(data.decode()) != data.decode():
            bad("is not written as a seal is")
        needs(value, name)
        check(value)
        ascending([item["name"] for item in value.get("files", [])])
        if value.get("complete") is False and value["files"]:
            bad("is not complete, and names files")
        return value
    except ValueError as e:
        raise Fault(name, str(e)) from None


def ascending(names: List[Any]) -> None:
    if any(a >= b for a, b in zip(names, names[1:])):
        bad("names are not in order, or one is there twice")


# ---- age, zstd and ssh-keygen

STANZA = re.compile(rb"-> ([!-~]+(?: [!-~]+)*)\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n")


def stanzas(data: bytes, name: str) -> List[List[str]]:
    """The stanzas of an age file's header: type and arguments of each."""
    at, found, intro = 22, [], b"age-encryption.org/v1\n"
    if not data.startswith(intro):
        raise Fault(name, "is no age file", 0)
    while stanza := STANZA.match(data, at):
        found.append(stanza.group(1).decode().split(" "))
        at = stanza.end()
    if not found or not re.compile(rb"--- [A-Za-z0-9+/]{43}\n").match(data, at):
        raise Fault(name, "its age header cannot be read", at)
    return found


def decrypt(where: str, name: str, identity: bytes) -> Iterator[bytes]:
    """What an age file decrypts to, in chunks; a file that does not end well is a fault."""
    with open_file(where, name) as source, tempfile.TemporaryFile() as errors:
        with tempfile.TemporaryFile() as key:
            key.write(identity)
            key.seek(0)
            program = subprocess.Popen(["age", "-d", "-i", "-", f"/dev/fd/{source.fileno()}"], stdin=key, stdout=subprocess.PIPE,
                                       stderr=errors, pass_fds=[source.fileno()])
        assert program.stdout
        try:
            while chunk := program.stdout.read(MiB):
                yield chunk
        finally:
            program.stdout.close()
            code = program.wait()
        if code:
            errors.seek(0)
            raise Fault(name, "does not decrypt: " + errors.read(300).decode(errors="replace").split("\n")[0])


def open_key(data: bytes, key: str) -> Optional[bytes]:
    """The bundle key from a key file, by the user's identity file."""
    result = subprocess.run(["age", "-d", "-i", key], input=data, capture_output=True, check=False)
    return None if result.returncode else result.stdout


def unzip(data: Any, limit: int) -> Iterator[bytes]:
    """Decompresses a stream by zstd: no more than limit bytes, with a window of 4 MiB at most."""
    program = subprocess.Popen(["zstd", "-dcq", f"--memory={WINDOW}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert program.stdin and program.stdout
    failed: List[BaseException] = []
    def feed(to: Any) -> None:
        try:
            while chunk := data.read(MiB):
                to.write(chunk)
        except BrokenPipeError:
            pass
        except BaseException as e:  # for the thread that reads
            failed.append(e)
        with contextlib.suppress(BrokenPipeError):
            to.close()
    thread = threading.Thread(target=feed, args=[program.stdin])
    thread.start()
    total = 0
    try:
        while chunk := program.stdout.read(64 << 10):
            total += len(chunk)
            if total > limit:
                bad(f"decompresses to more than {limit} bytes")
            yield chunk
    finally:
        program.stdout.close()
        code = program.wait()
        thread.join()
    if failed:
        raise failed[0]
    if code:
        bad("does not decompress")


class Chunks(io.RawIOBase):
    """A stream of what an iterator gives."""

    def __init__(self, source: Iterator[bytes]):
        self.source, self.rest, self.at = source, b"", 0

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size:
            chunk = next(self.source, b"")
            if not chunk:
                break
            self.rest += chunk
        out, self.rest = self.rest[:size], self.rest[size:]
        self.at += len(out)
        return out

    def exactly(self, size: int) -> bytes:
        out = self.read(size)
        if len(out) != size:
            bad("ends in the middle")
        return out


def read_frame(stream: Chunks, magic: bytes) -> Tuple[bytes, Optional[int]]:
    """One zstd frame, and the size of its content if it says that; bounded by what a frame may have."""
    out = bytearray(magic + stream.exactly(1))
    flags = out[4]
    single, window = flags & 0x20, 0
    if flags & 8:
        bad("a reserved bit of a frame is set")
    if not single:
        out += stream.exactly(1)
        base = 1 << (10 + (out[5] >> 3))
        window = base + base // 8 * (out[5] & 7)
    out += stream.exactly((0, 1, 2, 4)[flags & 3])
    width = (1 if single else 0, 2, 4, 8)[flags >> 6]
    raw = stream.exactly(width)
    out += raw
    content = int.from_bytes(raw, "little") + (256 if width == 2 else 0) if width else None
    if max(window, content or 0) > WINDOW:
        bad(f"a frame's window or content is above {WINDOW} bytes")
    last = 0
    while not last:
        head = stream.exactly(3)
        block = int.from_bytes(head, "little")
        last = block & 1
        out += head + stream.exactly(1 if block >> 1 & 3 == 1 else block >> 3)
        if len(out) > FRAME + 65536:
            bad("a frame has too many bytes")
    out += stream.exactly(4 if flags & 4 else 0)
    return bytes(out), content


def segment_frames(stream: Chunks) -> Iterator[Tuple[int, bytes]]:
    """The frames of a segment: offset in the tar bytes, content. Its seek table must say the same."""
    table: List[Tuple[int, int]] = []
    at = 0
    while True:
        start, magic = stream.at, stream.exactly(4)
        if magic == b"\x5e\x2a\x4d\x18":
            break
        if magic != b"\x28\xb5\x2f\xfd":
            bad(f"no frame begins where one should (at offset {start} of what is decrypted)")
        try:
            frame, content = read_frame(stream, magic)
            data = b"".join(unzip(io.BytesIO(frame), FRAME))
        except ValueError as e:
            bad(f"{e} (in the frame at offset {start} of what is decrypted)")
        if not data or content not in (None, len(data)):
            bad(f"the frame at offset {start} is empty, or its content is not as long as it says")
        table.append((len(frame), len(data)))
        yield at, data
        at += len(data)
    size = int.from_bytes(stream.exactly(4), "little")
    want = b"".join(struct.pack("<II", *row) for row in table) + struct.pack("<IBI", len(table), 0, 0x8F92EAB1)
    if size != len(want) or stream.exactly(size) != want or stream.read(1):
        bad(f"its seek table is not that of its frames (at offset {start} of what is decrypted)")


def seek_table(file: BinaryIO) -> List[Tuple[int, int]]:
    """The frames of a segment's plaintext by its seek table: compressed size, content size."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 9))
    count, descriptor, magic = struct.unpack("<IBI", file.read(9).rjust(9, b"\0"))
    if magic != 0x8F92EAB1 or descriptor or 17 + 8 * count > size:
        bad("its seek table cannot be read")
    file.seek(size - 9 - 8 * count)
    table = list(struct.iter_unpack("<II", file.read(8 * count)))
    if sum(row[0] for row in table) + 17 + 8 * count != size or any(not 0 < row[1] <= FRAME for row in table):
        bad("its seek table is not that of its frames")
    return table


def wire(data: bytes) -> Tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size:
        bad("is cut off")
    return data[4:4 + size], data[4 + size:]


def check_signature(data: bytes, name: str, signed: bytes) -> str:
    """Checks a signature file by the key in it; answers with that key's blob in base64."""
    kind = "satchel-bundle" if "bundle" in name else "satchel-drive"
    try:
        armor = re.fullmatch(rb"-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END SSH SIGNATURE-----\n?", data)
        if len(data) > 16384 or not armor:
            bad("is not one armored signature")
        raw = base64.b64decode(armor.group(1).replace(b"\n", b""), validate=True)
        if raw[:10] != b"SSHSIG\x00\x00\x00\x01":
            bad("is no signature of version 1")
        key, rest = wire(raw[10:])
        namespace, rest = wire(rest)
        if wire(key)[0] != b"ssh-ed25519":
            bad("is by a key of another type than ssh-ed25519")
        if namespace.decode() != kind:
            bad(f"is in the namespace {namespace!r}, not {kind}")
        with signature_file(data) as path:
            if subprocess.run(["ssh-keygen", "-Y", "check-novalidate", "-n", kind, "-s", path], input=signed, capture_output=True, check=False).returncode:
                bad("was not made by the key in it, or is of another file")
        return base64.b64encode(key).decode()
    except (ValueError, binascii.Error) as e:
        raise Fault(name, str(e)) from None


@contextlib.contextmanager
def signature_file(data: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.name


def trusted(data: bytes, signed: bytes, allowed: str, created: str) -> List[str]:
    """Who of the allowed signers made a signature of bundle.json, at the time of the seal."""
    when = "-Overify-time=" + re.sub(r"[-:T]", "", created[:19]) + "Z"
    with signature_file(data) as path:
        found = subprocess.run(["ssh-keygen", "-Y", "find-principals", "-f", allowed, "-s", path, when], capture_output=True, text=True, check=False)
        return [who for who in found.stdout.split("\n") if who and subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", who, "-n", "satchel-bundle", "-s", path, when],
            input=signed, capture_output=True, check=False).returncode == 0]


# ---- one drive: everything that needs no key

def named(seal: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    return {item["name"]: item for item in seal["files"]}


class Drive:
    """One directory of a bundle."""

    def __init__(self, where: str, report: Report):
        self.where, self.report = where, report
        self.names = self.listed("")
        self.copies = self.listed("copy")
        self.keys: Dict[str, bytes] = {}
        self.signers: Dict[str, bytes] = {}
        self.fingerprint = ""
        self.seal: Dict[str, Any] = {}
        if "bundle.json" in self.names:
            raw, self.seal = self.first("bundle.json", BUNDLE)
            self.fingerprint = sha(raw)
            self.seal_bytes = raw
        if not self.names | self.copies:
            raise Refused(f"{where}: there is no bundle")
        want: Set[Optional[str]] = {d["sha256"] for d in self.seal.get("drives", [])}
        self.drive_bytes, self.drive = self.first("drive.json", DRIVE, want)
        self.number: int = self.drive["drive"]
        self.id: str = self.drive["bundle"]
        self.unfinished = not self.drive["complete"] or not (self.seal or "of" in self.drive)
        self.parity: Dict[str, Any] = {}

    def listed(self, below: str) -> Set[str]:
        """Names of the grammar in a directory."""
        found: Set[str] = set()
        path = os.path.join(self.where, below)
        if not os.path.isdir(path) or (below and os.path.islink(path)):
            return found
        for name in sorted(os.listdir(path)):
            if re.fullmatch(GRAMMAR, name):
                found.add(name)
            elif name.endswith(".tmp") and re.fullmatch(GRAMMAR, name[:-4]):
                self.report.note(f"{os.path.join(path, name)} is what a crash left")
        return found

    def fault(self, name: str, what: object) -> None:
        self.report.fault(self.where, name, what)

    def compare(self, item: Dict[str, Any]) -> None:
        """Compares a file with its size and SHA-256; text without the CR of a copy as text."""
        name = item["name"]
        if not name.endswith((".json", ".sig")):
            compare(self.where, item)
        elif sha(self.text(name)) != item["sha256"]:
            raise Fault(name, "its SHA-256 is not the one that binds it")

    def text(self, name: str, limit: int = TEXT) -> bytes:
        """A text file, without the CR that a copy as text has put in."""
        data = read_file(self.where, name, limit)
        if b"\r\n" in data:
            self.report.change(self.where, name, "line ends are CR LF: it was copied as text")
            data = data.replace(b"\r\n", b"\n")
        return data

    def first(self, name: str, check: Check, bound: Optional[Set[Optional[str]]] = None) -> Tuple[bytes, Dict[str, Any]]:
        """The original or its copy: the first that is right; that the original is not is a fault."""
        failed: Optional[Fault] = None
        for path in (name, "copy/" + name):
            try:
                data = self.text(path)
                if bound and sha(data) not in bound:
                    raise Fault(path, "its SHA-256 is not the one that binds it")
                seal = read_seal(data, path, check)
                if failed:
                    self.fault(name, failed)
                return data, seal
            except Fault as e:
                failed = failed or e
        assert failed
        raise failed

    def check(self, seal: Dict[str, Any], fingerprint: str, signatures: List[Dict[str, Any]], plain: bool) -> None:
        """Checks all files of the drive. seal and signatures are what bundle.json says, if it is there."""
        last = bool(self.seal)
        sums = self.sums()
        self.extras = self.read_extras(sums)
        extras = named(self.extras)
        key, other = ("seal", "drive") if last else ("drive", "seal")
        if self.extras.get(key) != (fingerprint if last else sha(self.drive_bytes)) or other in self.extras or self.extras["bundle"] != self.id:
            self.fault("extras.json", "does not belong to this bundle")
        ends = {name.rsplit(".", 1)[1] for name in (item["name"] for item in self.drive["files"])}
        if ends - {"zst" if plain else "age"}:
            self.fault("drive.json", "names segments of the other kind")
        self.bound: Dict[str, Dict[str, Any]] = {**extras, **{item["name"]: item for item in signatures}}
        if last:
            self.bound[seal["index"]["name"]] = seal["index"]
        self.check_needs(seal, signatures, plain)
        for item in list(self.bound.values()) + self.drive["files"]:
            self.attempt(self.compare, item)
        self.check_copies()
        self.check_keys(extras, plain)
        self.check_signatures(signatures)
        self.check_extra(extras, plain)
        self.check_sums(sums)
        if "parity.json" in extras:
            self.attempt(self.check_parity)

    def read_extras(self, sums: Dict[str, str]) -> Dict[str, Any]:
        """extras.json. Where it and its copy differ, SHA256SUMS decides, but for a change that was interrupted."""
        with contextlib.suppress(Fault):
            self.extras = read_seal(self.text("extras.json"), "extras.json", EXTRAS)
            if self.newer(self.text("copy/extras.json")):
                return self.extras
        bound = {sums.get("extras.json")} & {sums.get("copy/extras.json")} - {None}
        return self.first("extras.json", EXTRAS, bound)[1]

    def attempt(self, do: Callable[..., None], *args: Any) -> None:
        try:
            do(*args)
        except Fault as e:
            self.fault(e.file, e)

    def check_needs(self, seal: Dict[str, Any], signatures: List[Dict[str, Any]], plain: bool) -> None:
        have, extras = set(self.extras.get("needs", [])), set(named(self.extras))
        for feature, used in (("parity", "parity.json" in extras), ("across", any(n.startswith("other-") for n in extras)), ("plain", plain),
                              ("signatures", bool(signatures) or any(n.endswith(".sig") for n in extras if n.startswith(("bundle", "drive"))))):
            if used != (feature in have):
                self.fault("extras.json", f"needs and what it names do not agree on the feature {feature}")
        allowed = rf"{KEY_NAME}|{PARITY}|parity\.json|{OTHER}|{'bundle' if self.seal else 'drive'}\.json.*"
        for name in extras:
            if not re.fullmatch(allowed, name):
                self.fault("extras.json", f"names {name}")
        if not plain and not any(n.startswith("key-") for n in extras):
            self.fault("extras.json", "names no key file")

    def small(self) -> Dict[str, str]:
        """Every file with a second copy, and its SHA-256."""
        out = {name: item["sha256"] for name, item in self.bound.items() if not name.endswith(".par")}
        out["drive.json"] = sha(self.drive_bytes)
        if self.seal:
            out["bundle.json"] = self.fingerprint
        return out

    def check_copies(self) -> None:
        try:
            original = self.text("extras.json")
        except Fault:
            original = b""
        for name, digest in {**self.small(), "extras.json": sha(original)}.items():
            path = "copy/" + name
            try:
                data = self.text(path) if name.endswith((".json", ".sig")) else read_file(self.where, path, TEXT if name.startswith("key") else LARGEST)
                if sha(data) != digest and not (name == "extras.json" and self.newer(data)):
                    raise Fault(path, "is not equal to its original")
            except Fault as e:
                self.fault(path, e)

    def newer(self, data: bytes) -> bool:
        """Whether copy/extras.json is of an interrupted change: it names more, and what it names is there."""
        with contextlib.suppress(Fault, Refused):
            copy = read_seal(data, "copy/extras.json", EXTRAS)
            old, new = named(self.extras), named(copy)
            added = {n: new[n] for n in new if n not in old}
            if not added or any(new.get(n) != item for n, item in old.items()):
                return False
            for name, item in added.items():
                compare(self.where, item)
                if not name.endswith(".par"):
                    compare(self.where, {**item, "name": "copy/" + name})
            same = ("satchel", "bundle", "seal", "drive")
            self.more = added
            self.report.change(self.where, "copy/extras.json", f"a change was interrupted that adds {', '.join(sorted(added))}")
            self.more_extras = sha(data)
            return [copy.get(k) for k in same] == [self.extras.get(k) for k in same]
        return False

    more: Dict[str, Dict[str, Any]] = {}
    more_extras = ""

    def check_keys(self, extras: Dict[str, Any], plain: bool) -> None:
        if plain:
            return
        self.kind = ""
        for name in [item["name"] for item in self.drive["files"]] + ["index.age"] * bool(self.seal):
            try:
                with open_file(self.where, name) as file:
                    found = stanzas(read_from(file, name, 65536), name)
                if len(found) != 1 or found[0][0] not in ("X25519", "mlkem768x25519") or self.kind not in ("", found[0][0]):
                    raise Fault(name, f"is not encrypted to the bundle key alone: {found[0][0]}")
                self.kind = found[0][0]
            except Fault as e:
                self.fault(name, e)
        for name in extras:
            if name.startswith("key-"):
                self.attempt(self.check_key, name)

    def check_key(self, name: str) -> None:
        data = read_file(self.where, name, MiB)
        found = stanzas(data, name)
        weak = CLASSIC if self.kind in QUANTUM else QUANTUM
        for kind, *args in found:
            if kind in weak:
                raise Fault(name, f"has a stanza {kind}, which is of the other kind than the bundle")
            if kind == "scrypt" and (len(found) != 1 or len(args) != 2 or not re.fullmatch("[1-9][0-9]?", args[1]) or int(args[1]) > 16):
                raise Fault(name, "asks for too much work of scrypt, or has a stanza next to it")
        self.keys[name] = data

    def check_signatures(self, signatures: List[Dict[str, Any]]) -> None:
        """Named ones and others: whoever may write to the drive may add a valid one."""
        listed = {n for n in self.bound if n.endswith(".sig") and not n.startswith("other")}
        for name in sorted(listed | {n for n in self.names | self.copies if re.fullmatch(SIGNATURE, n)}):
            signed = self.seal_bytes if self.seal and name.startswith("bundle") else self.drive_bytes
            if name.startswith("bundle") and not self.seal:
                continue
            path = name if name in self.names or name in listed else "copy/" + name
            try:
                data = self.text(path, 16384)
                check_signature(data, name, signed)
                if name.startswith("bundle"):
                    self.signers[name] = data
                if name not in listed:
                    self.report.note(f"{self.where}/{path} is valid, and not named")
            except Fault as e:
                self.fault(path, e if name in listed else f"extra: {e}")

    def check_extra(self, extras: Dict[str, Any], plain: bool) -> None:
        known = set(self.bound) | set(named(self.drive)) | {"drive.json", "extras.json", "README.txt", "SHA256SUMS"}
        if self.seal:
            known.add("bundle.json")
        highest = max([int(n[4:-4]) for n in extras if n.startswith("key-")] or [0])
        for name in sorted((self.names | self.copies) - known):
            copy, path = name in self.copies, name if name in self.names else "copy/" + name
            if re.fullmatch(SIGNATURE, name):
                if name.startswith("bundle") and not self.seal:
                    self.fault(path, "extra")
            elif re.fullmatch(KEY_NAME, name) and not plain and int(name[4:-4]) > highest and copy and self.rekeyed(name):
                self.report.change(self.where, path, "a rekey was interrupted")
            elif (name == "parity.json" or re.fullmatch(f"{PARITY}|{OTHER}", name)) and "parity.json" not in extras and self.adding(name, path):
                self.report.change(self.where, path, "adding parity was interrupted")
            else:
                self.fault(path, "extra: no seal and not extras.json names it")
        for name in sorted((self.copies & known) - set(self.small()) - {"extras.json"}):
            self.fault("copy/" + name, "extra")

    def rekeyed(self, name: str) -> bool:
        with contextlib.suppress(Fault):
            copy = read_file(self.where, "copy/" + name, MiB)
            stanzas(copy, name)
            return name not in self.names or copy == read_file(self.where, name, MiB)
        return False

    def adding(self, name: str, path: str) -> bool:
        """Whether a file is of parity that was being added to this bundle."""
        bound = (self.fingerprint or sha(self.drive_bytes))
        with contextlib.suppress(Fault, ValueError):
            if name == "parity.json":
                seal = read_seal(self.text(path), path, PARITIES)
                return bound in (seal.get("seal"), seal.get("drive"))
            if name.startswith("p-"):
                with open_file(self.where, path) as file:
                    head, _, _ = parity_head(file, name)
                return head["bundle"] == self.id and head["seal"] == bound
            return any(n.startswith("p-") for n in self.names)
        return False

    def sums(self) -> Dict[str, str]:
        try:
            lines = self.text("SHA256SUMS").decode().splitlines()
            return {line[66:]: line[:64] for line in lines}
        except (Fault, UnicodeDecodeError) as e:
            self.fault("SHA256SUMS", e)
            return {}

    def check_sums(self, have: Dict[str, str]) -> None:
        """SHA256SUMS follows from the rest; of README.txt, this reader knows no wording."""
        readme = ""
        try:
            readme = sha(self.text("README.txt"))
        except Fault as e:
            self.fault("README.txt", e)
        interrupted = bool(self.more) or any(re.fullmatch(KEY_NAME, n) and n not in self.bound for n in self.copies)
        with contextlib.suppress(Fault):
            extras = sha(self.text("extras.json"))
            want = {**self.small(), "extras.json": extras}
            copies = {"copy/" + n: d for n, d in want.items()}
            want.update(copies)
            want.update({n: item["sha256"] for n, item in {**self.bound, **named(self.drive)}.items()})
            if have.get("README.txt") != readme and not interrupted and readme:
                self.fault("README.txt", "is not what SHA256SUMS says")
            want["README.txt"] = have.get("README.txt", readme)
            after = {**want, **{n: i["sha256"] for n, i in self.more.items()}, **{"copy/" + n: i["sha256"] for n, i in self.more.items() if not n.endswith(".par")},
                     "copy/extras.json": self.more_extras, "extras.json": self.more_extras}
            raw = self.text("SHA256SUMS")
            for option in [want] + [after] * bool(self.more):
                if raw == b"".join(f"{option[n]}  {n}\n".encode() for n in sorted(option)):
                    return
            if interrupted and not self.more and want.items() <= {**have, "extras.json": extras}.items():
                return
            wrong = sorted(n for n in set(want) | set(have) if want.get(n) != have.get(n))
            self.fault("SHA256SUMS", "does not follow from the bundle: " + (", ".join(wrong[:5]) or "its lines are in another order or form"))

    def check_parity(self) -> None:
        self.parity = seal = read_seal(self.text("parity.json"), "parity.json", PARITIES)
        if seal["bundle"] != self.id or ("seal" in seal) == ("drive" in seal):
            raise Fault("parity.json", "does not belong to this bundle")
        if seal["shard"] & (seal["shard"] - 1):
            raise Fault("parity.json", "shard is no power of two")
        seen: Set[str] = set()
        across, extras = "across" in self.extras.get("needs", []), named(self.extras)
        try:
            ascending([g["group"] for g in seal["groups"]])
            for g in seal["groups"]:
                ascending([f["name"] for f in g["files"]])
                if len(g["parity"]) != seal["parity"] or not 1 <= len(g["files"]) <= seal["data"] or len(g["files"] + g["parity"]) > 256:
                    bad(f"group {g['group']} has too many or too few files")
                if across != ("drives" in g) or (across and len(g["drives"]) != len(g["files"]) + len(g["parity"])):
                    bad(f"group {g['group']}: its drives do not agree with the feature across")
                owners = g.get("drives") or [self.number] * (len(g["files"]) + len(g["parity"]))
                mine = named(self.drive)
                for item, owner in zip(g["files"] + g["parity"], owners):
                    if item["name"] in seen or (owner == self.number and {**mine, **extras}.get(item["name"]) != item):
                        bad(f"{item['name']} is there twice, or not as the seals have it")
                    seen.add(item["name"])
                names = [f"p-{g['group']:03}-{i:02}.par" for i in range(1, len(g["parity"]) + 1)]
                if [p["name"] for p in g["parity"]] != names:
                    bad(f"group {g['group']}: names of its parity files are wrong")
        except ValueError as e:
            raise Fault("parity.json", str(e)) from None


# ---- parity

def parity_head(file: BinaryIO, name: str, at: int = 0) -> Tuple[Dict[str, Any], int, bytes]:
    """The head of a parity file: its JSON, its length, the SHA-256 of the JSON."""
    file.seek(at)
    block = file.read(4096)
    found = re.match(rb"satchel parity/1 (p-\d{3}-\d\d\.par) (\d{8}) ([0-9a-f]{64})\n", block)
    if not found or found.group(1).decode() != name:
        raise Fault(name, "its head cannot be read", at)
    size = int(found.group(2))
    total = -(-(found.end() + size) // 4096) * 4096
    file.seek(at + found.end())
    raw, rest = file.read(size), file.read(total - found.end() - size)
    try:
        if sha(raw).encode() != found.group(3) or rest.strip(b"\0") or not raw.endswith(b"}\n") or raw.count(b"\n") != 1:
            bad("its head is damaged")
        head = parse(raw)
        HEAD(head)
        return head, total, hashlib.sha256(raw).digest()
    except ValueError as e:
        raise Fault(name, str(e), at) from None


class Group:
    """A group of segments and parity files, wherever their drives are."""

    def __init__(self, parity: Dict[str, Any], group: Dict[str, Any], drives: Dict[int, Drive], own: Drive):
        self.data, self.par, self.shard = group["files"], group["parity"], parity["shard"]
        self.seal, self.id, self.number = parity.get("seal") or parity["drive"], parity["bundle"], group["group"]
        self.owners: List[Optional[Drive]] = [drives.get(d) for d in group["drives"]] if "drives" in group else [own] * (len(self.data) + len(self.par))
        self.length = max(f["size"] for f in self.data)
        self.stripes = -(-self.length // self.shard)
        self.table: List[bytes] = []
        self.start = 0

    def check(self) -> None:
        """The heads and tables of all parity files that are there; they must be equal."""
        width = len(self.data) + len(self.par)
        blocks = -(-self.stripes * width // 255)
        for item, owner in list(zip(self.data + self.par, self.owners))[len(self.data):]:
            if owner is None or item["name"] not in owner.names:
                continue
            try:
                table, start = self.read_table(owner, item, blocks)
            except Fault as e:
                owner.fault(e.file, e)
                continue
            if self.table and table != self.table:
                owner.fault(item["name"], "its table is another than that of the group")
            self.table, self.start = self.table or table, self.start or start
        for i, (item, owner) in enumerate(zip(self.data + self.par, self.owners)):
            if self.table and owner and item["name"] in owner.names:
                for t in range(self.stripes):
                    if not self.whole(i, t):
                        at = t * self.shard + (self.start if i >= len(self.data) else 0)
                        owner.fault(item["name"], Fault("", "a shard is not as the table has it", at))

    def read_table(self, owner: Drive, item: Dict[str, Any], blocks: int) -> Tuple[List[bytes], int]:
        name, width = item["name"], len(self.data) + len(self.par)
        with open_file(owner.where, name) as file:
            head, size, digest = parity_head(file, name)
            want = {"bundle": self.id, "seal": self.seal, "shard": self.shard, "group": self.number, "files": self.data, "parity": len(self.par)}
            if any(head[k] != v for k, v in want.items()):
                raise Fault(name, "its head is of another bundle or group", 0)
            start = size + blocks * 4096
            if os.fstat(file.fileno()).st_size != 2 * start + self.length:
                raise Fault(name, "has not the size that its head and its group give it")
            if parity_head(file, name, start + self.length + blocks * 4096) != (head, size, digest):
                raise Fault(name, "its second head is another one", start + self.length + blocks * 4096)
            table: List[bytes] = []
            for at in (size, start + self.length):
                file.seek(at)
                found: List[bytes] = []
                for b in range(blocks):
                    block = file.read(4096)
                    if hashlib.sha256(digest + b.to_bytes(8, "big") + block[:4080]).digest()[:16] != block[4080:]:
                        raise Fault(name, "a block of its table is damaged", at + b * 4096)
                    found += [block[i:i + 16] for i in range(0, 4080, 16)]
                if b"".join(found[self.stripes * width:]).strip(b"\0") or (table and table != found):
                    raise Fault(name, "its tables differ, or have more than the shards", at)
                table = found
        return table[:self.stripes * width], start

    def shard_of(self, i: int, t: int) -> Optional[bytes]:
        """What file i of the group has in stripe t."""
        item, owner = (self.data + self.par)[i], self.owners[i]
        size, base = (item["size"], 0) if i < len(self.data) else (self.length, self.start)
        with contextlib.suppress(Fault):
            if owner:
                with open_file(owner.where, item["name"]) as file:
                    file.seek(base + t * self.shard)
                    return read_from(file, item["name"], max(0, min(self.shard, size - t * self.shard)))
        return None

    def whole(self, i: int, t: int) -> bool:
        shard = self.shard_of(i, t)
        want = self.table[t * (len(self.data) + len(self.par)) + i]
        return shard is not None and (hashlib.sha256(shard).digest()[:16] if shard else bytes(16)) == want

    def rebuild(self, lost: int) -> Iterator[bytes]:
        """The bytes of segment number lost, stripe by stripe, from any n shards that are whole."""
        field, n = Field(), len(self.data)
        code = field.times(field.vandermonde(n + len(self.par), n), field.inverse(field.vandermonde(n, n)))
        rows: Dict[Tuple[int, ...], List[int]] = {}
        for t in range(self.stripes):
            size = min(self.shard, self.length - t * self.shard)
            real = max(0, min(self.shard, self.data[lost]["size"] - t * self.shard))
            use = tuple(i for i in range(n + len(self.par)) if i != lost and self.whole(i, t))[:n]
            if self.whole(lost, t):
                yield self.shard_of(lost, t) or b""
                continue
            if len(use) < n:
                raise Fault(self.data[lost]["name"], "too few shards of its group are whole", t * self.shard)
            if use not in rows:
                rows[use] = field.inverse([code[i] for i in use])[lost]
            total = 0
            for i, factor in zip(use, rows[use]):
                shard = (self.shard_of(i, t) or b"").ljust(size, b"\0")
                total ^= int.from_bytes(shard.translate(field.table(factor)), "little")
            yield total.to_bytes(size, "little")[:real]


class Field:
    """GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1, and matrices over it."""

    def __init__(self) -> None:
        self.exp, self.log, x = [0] * 510, [0] * 256, 1
        for i in range(255):
            self.exp[i] = self.exp[i + 255] = x
            self.log[x] = i
            x = x << 1 ^ (0x11D if x & 0x80 else 0)

    def mul(self, a: int, b: int) -> int:
        return self.exp[self.log[a] + self.log[b]] if a and b else 0

    def table(self, factor: int) -> bytes:
        return bytes(self.mul(factor, x) for x in range(256))

    def vandermonde(self, rows: int, columns: int) -> List[List[int]]:
        return [[1 if c == 0 else self.exp[self.log[r] * c % 255] if r else 0 for c in range(columns)] for r in range(rows)]

    def times(self, a: List[List[int]], b: List[List[int]]) -> List[List[int]]:
        out = [[0] * len(b[0]) for _ in a]
        for i, row in enumerate(a):
            for k, factor in enumerate(row):
                out[i] = [x ^ self.mul(factor, y) for x, y in zip(out[i], b[k])]
        return out

    def inverse(self, m: List[List[int]]) -> List[List[int]]:
        n = len(m)
        work = [row[:] + [int(i == j) for j in range(n)] for i, row in enumerate(m)]
        for c in range(n):
            pivot = next(r for r in range(c, n) if work[r][c])
            work[c], work[pivot] = work[pivot], work[c]
            factor = self.exp[255 - self.log[work[c][c]]]
            work[c] = [self.mul(factor, x) for x in work[c]]
            for r in range(n):
                if r != c and work[r][c]:
                    factor = work[r][c]
                    work[r] = [x ^ self.mul(factor, y) for x, y in zip(work[r], work[c])]
        return [row[n:] for row in work]


# ---- the index

ROOT = shape({"mediaType": text, "digest": DIGEST, "size": number(0)}, ordered=False)
ASCII = match(r"[ -~]{0,8192}")
REASON = shape({"kind": match(r"[A-Za-z][A-Za-z0-9. -]{0,63}"), "name?": ASCII, "part?": ASCII, "catalog?": ASCII}, ordered=False)
REPOSITORY = match(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
ORIGIN = match(r"[a-z][a-z0-9-]{0,31}")
IN_BUNDLE = {"name": match(SEGMENT), "drive": number(1, 99), "size": number(1, LARGEST), "sha256": HEX, "tar": number(1)}
FROM = {"bundle": ID, "fingerprint?": HEX, "stream?": STREAM, "sequence?": number(1, 2**31 - 1), "receipt?": HEX, "mirror?": text}
LINES: Dict[str, Check] = {
    "index": shape({"version": number(1, 1), "bundle": ID, "created": moment, **GROWING}, ordered=False),
    "supplements": shape({"bundle": ID, "fingerprint": HEX, "created": moment, "stream?": STREAM, "sequence?": number(1, 2**31 - 1), "partial?": true,
                          "drives": number(1, 99), "images?": number(0)}, ordered=False),
    "segment": shape(IN_BUNDLE, ordered=False),
    "kept": shape(IN_BUNDLE, ordered=False),
    "blob": shape({"digest": DIGEST, "size": number(0), "at": every(every(number(0), 3, 3), least=1)}, ordered=False),
    "baseline": shape({"from": every(shape(FROM, ordered=False), 1000), "content": every(every(lambda _: None, 3, 3), 65536)}, ordered=False),
    "image": shape({"origin": ORIGIN, "source": text, "root": ROOT, "platforms?": every(match(r"[^/\s]+/[^/\s]+(/[^/\s]+)?")), "tags?": every(match(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")), "path?": REPOSITORY,
                    "why?": every(text), "reasons?": every(REASON), "subject?": DIGEST, "made?": boolean, "base?": match(r".+@sha256:[0-9a-f]{64}"),
                    "without?": every(DIGEST, 1024), "unknown?": every(match("referrers|sig|att|sbom"), 16)}, ordered=False),
    "gap": shape({"origin": ORIGIN, "source": text, "digest?": DIGEST, "subject?": DIGEST, "path?": REPOSITORY, "why?": every(text), "reasons?": every(REASON),
                  "error": text}, ordered=False),
    "document": shape({"name": match(r"[a-z][a-z0-9-]{0,63}"), "root": ROOT}, ordered=False),
    "end": shape({"segments": number(0), "blobs": number(0), "images": number(0), "gaps?": number(0), "documents?": number(0), "baseline?": number(0),
                  "kept?": number(0)}, ordered=False),
}
COUNTED = ("segment", "blob", "image", "gap", "document", "kept")


class Index:
    """What the index says; every rule that needs no content is checked here."""

    def __init__(self, stream: Iterator[bytes]):
        self.lines: Dict[str, List[Dict[str, Any]]] = {kind: [] for kind in LINES}
        order, rank = list(LINES), 0
        self.needs: Set[str] = set()
        for row, line in enumerate(self.split(stream)):
            try:
                value = parse(line)
                kinds = [key for key in value if key in LINES]
                kind, item = (kinds[0], value[kinds[0]]) if len(kinds) == len(value) == 1 else bad("is of no kind, or of several")
                if order.index(kind) < rank or (self.lines[kind] and kind not in COUNTED) or (row == 0) != (kind == "index"):
                    bad(f"a line {kind} does not stand here")
                if kind == "index":
                    self.needs = needs(item, "the index") if isinstance(item, dict) else set()
                rank = order.index(kind)
                LINES[kind](item)
                self.lines[kind].append(item)
            except ValueError as e:
                bad(f"line {row + 1}: {e}")
        if not self.lines["end"]:
            bad("has no end")
        self.segments = self.lines["segment"] + self.lines["kept"]
        self.blobs = {blob["digest"]: blob for blob in self.lines["blob"]}
        self.check_counts()
        self.check_pieces()
        self.halves = self.baseline()
        if self.lines["end"][0].get("baseline", 0) != len(self.halves):
            bad("the baseline has not as many digests as its end says")
        ascending([document["name"] for document in self.lines["document"]])
        for image in self.lines["image"]:
            self.check_image(image)
        for document in self.lines["document"]:
            if self.blobs.get(document["root"]["digest"], {}).get("size") != document["root"]["size"]:
                bad(f"the root of the document {document['name']} has no blob line of its size")

    def split(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        rest = b""
        for chunk in stream:
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE or any(len(line) > LINE for line in lines):
                bad(f"has a line of more than {LINE} bytes")
            yield from lines
        if rest:
            bad("does not end with a newline")

    def check_counts(self) -> None:
        for kind in COUNTED:
            if self.lines["end"][0].get("kept" if kind == "kept" else kind + "s", 0) != len(self.lines[kind]):
                bad(f"has not as many lines {kind} as its end says")
        images = [(i["source"], i["origin"], i.get("path")) for i in self.lines["image"]]
        if len(set(images)) != len(images):
            bad("has an image twice")
        if len(self.lines["baseline"]) > 1 or bool(self.lines["baseline"]) != ("baseline" in self.needs):
            bad("baseline and needs do not agree")
        if len(self.lines["supplements"]) != ("supplement" in self.needs) or (self.lines["kept"] and not self.lines["supplements"]):
            bad("supplements, kept and needs do not agree")
        for kind in ("segment", "kept"):
            ascending([segment["name"] for segment in self.lines[kind]])
        if len(self.blobs) != len(self.lines["blob"]):
            bad("has a blob twice")

    def check_pieces(self) -> None:
        self.pieces: List[List[Tuple[int, int, str]]] = [[] for _ in self.segments]
        before = (-1, -1)
        for digest, blob in self.blobs.items():
            if any(at[0] >= len(self.segments) for at in blob["at"]) or sum(at[2] for at in blob["at"]) != blob["size"]:
                bad(f"the pieces of {digest} are not those of its size")
            if blob["size"] == 0 and (len(blob["at"]) != 1 or digest != "sha256:" + sha(b"")):
                bad(f"{digest} has no content")
            own = {at[0] < len(self.lines["segment"]) for at in blob["at"]}
            if len(own) != 1 or len({(self.segments[at[0]]["name"][:5], self.segments[at[0]]["drive"]) for at in blob["at"]}) != 1:
                bad(f"the pieces of {digest} are in several lanes, drives or bundles")
            if own == {True}:
                if tuple(blob["at"][0][:2]) <= before:
                    bad(f"{digest} is not in tar order")
                before = tuple(blob["at"][-1][:2])
            for segment, offset, length in blob["at"]:
                if offset + length > self.segments[segment]["tar"] or (length == 0 and blob["size"]):
                    bad(f"a piece of {digest} is not in its segment")
                self.pieces[segment].append((offset, length, digest))
            if [at[:2] for at in blob["at"]] != sorted(at[:2] for at in blob["at"]):
                bad(f"the pieces of {digest} are not in order")
        for pieces in self.pieces:
            pieces.sort()
            if any(a[0] + a[1] > b[0] for a, b in zip(pieces, pieces[1:])):
                bad("two pieces overlap")

    def baseline(self) -> Set[bytes]:
        halves: Set[bytes] = set()
        for baseline in self.lines["baseline"]:
            ids = [source["bundle"] for source in baseline["from"]]
            pairs = []
            for row in baseline["content"]:
                if not isinstance(row[0], str) or type(row[1]) is not int or not 0 <= row[1] < len(ids) or not isinstance(row[2], str):
                    bad("the baseline names a source that is not there")
                packed = base64.b64decode(row[2], validate=True)
                found = [packed[i:i + 16] for i in range(0, len(packed), 16)]
                ascending(found)
                if not found or len(found[-1]) != 16 or halves & set(found):
                    bad("a digest of the baseline is cut off, or there twice")
                halves |= set(found)
                pairs.append((row[0].encode(), row[1]))
            ascending(pairs)
            if len(set(ids)) != len(ids) or halves & {self.half(digest) for digest in self.blobs}:
                bad("the baseline names a bundle twice, or has what the bundle carries")
        return halves

    @staticmethod
    def half(digest: str) -> bytes:
        return bytes.fromhex(digest[7:39])

    def check_image(self, image: Dict[str, Any]) -> None:
        root, without = image["root"], image.get("without", [])
        if not is_index(root) and not is_manifest(root):
            bad(f"{root['mediaType']} is not the media type of a manifest")
        blob = self.blobs.get(root["digest"])
        if (blob["size"] != root["size"]) if blob else self.half(root["digest"]) not in self.halves:
            bad(f"the root of {image['source']} has no blob line of its size, and is not in the baseline")
        if "base" in image and not image.get("made"):
            bad(f"{image['source']} has a base, and was not made")
        ascending(without)
        if without and (root["digest"] in without or not is_index(root)):
            bad(f"{image['source']}: without stands with an index alone, and never names it")


def is_index(descriptor: Dict[str, Any]) -> bool:
    return descriptor.get("mediaType") in ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


def is_manifest(descriptor: Dict[str, Any]) -> bool:
    return descriptor.get("mediaType") in ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")


# ---- the content

class Tar:
    """Walks the tar stream of the bundle's own segments, and compares it with the index."""

    def __init__(self, index: Index):
        self.index, self.blobs = index, iter(index.lines["blob"])
        self.state, self.left, self.head, self.lane = "header", 0, b"", ""
        self.blob: Dict[str, Any] = {}
        self.at: List[List[int]] = []
        self.files: Dict[str, bytearray] = {}
        self.own = len(index.lines["segment"])

    def begin(self, segment: int) -> None:
        lane = self.index.segments[segment]["name"][:5]
        if self.head or (self.state in ("content", "padding") and lane != self.lane):
            bad("begins neither at a header nor inside an entry of its lane")
        self.lane = lane

    def feed(self, segment: int, offset: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self.state in ("header", "end"):
                take = data[at:at + 512 - len(self.head)]
                self.head += take
                if len(self.head) == 512:
                    self.block(segment, offset + at + len(take))
            elif self.state == "content":
                take = data[at:at + self.left]
                self.content(segment, offset + at, take)
            else:
                take = data[at:at + self.left]
                if take.strip(b"\0"):
                    bad(f"padding is not zero (at offset {offset + at} of the tar bytes)")
                self.left -= len(take)
                self.state = "padding" if self.left else "header"
            at += len(take)

    def block(self, segment: int, after: int) -> None:
        head, self.head = self.head, b""
        if self.state == "end" or head == bytes(512):
            self.zeros = 1 if self.state == "header" else self.zeros + 1
            if head != bytes(512) or self.zeros > 2 or list(self.files) != ["index.json", "oci-layout"]:
                bad("the archive ends too early, or goes on after its end")
            self.state = "end"
            return
        name, self.size = self.header(head)
        if name.startswith("blobs/sha256/") and not self.files:
            self.blob = next(self.blobs, {})
            if self.blob and self.blob["at"][0][0] >= self.own:
                self.blob = next((b for b in self.blobs if b["at"][0][0] < self.own), {})
            if self.blob.get("digest") != "sha256:" + name[13:] or self.blob["size"] != self.size:
                bad(f"the entry {name} is not the next blob of the index")
        elif name in ("index.json", "oci-layout") and name not in self.files and self.size < 64 * MiB:
            self.files[name] = bytearray()
        else:
            bad(f"the entry {name} does not belong here")
        self.file, self.at, self.left, self.state = name, [], self.size, "content"
        if not self.size:
            self.content(segment, after, b"")

    @staticmethod
    def header(head: bytes) -> Tuple[str, int]:
        name = head[:100].rstrip(b"\0").decode("ascii", "replace")
        size = int.from_bytes(head[125:136], "big") if head[124] == 0x80 else int(head[124:136].rstrip(b" \0") or b"0", 8)
        rest = [int(head[a:b].strip(b" \0") or b"0", 8) for a, b in ((100, 108), (108, 116), (116, 124), (136, 148), (148, 156), (329, 337), (337, 345))]
        total = sum(head) - sum(head[148:156]) + 8 * 32
        if rest != [0o644, 0, 0, 0, total, 0, 0] or head[156:157] not in b"0\0" or head[257:265] not in (b"ustar\x0000", b"ustar  \0"):
            bad(f"the header of the entry {name} is not as the format has it")
        if any(head[157:257]) or any(head[265:329]) or any(head[345:]):
            bad(f"the header of the entry {name} has a link, an owner or a prefix")
        return name, size

    def content(self, segment: int, offset: int, data: bytes) -> None:
        if self.at and self.at[-1][0] == segment:
            self.at[-1][2] += len(data)
        else:
            self.at.append([segment, offset, len(data)])
        if self.file in self.files:
            self.files[self.file] += data
        self.left -= len(data)
        if not self.left:
            if self.file not in self.files and self.at != self.blob["at"]:
                bad(f"the entry {self.file} lies elsewhere than the index says: {self.at}")
            self.left = -self.size % 512
            self.state = "padding" if self.left else "header"

    def finish(self) -> None:
        if self.state != "end" or self.head or self.zeros != 2 or any(b["at"][0][0] < self.own for b in self.blobs):
            bad("the tar stream ends too early")


class Blobs:
    """Cuts blobs out of segments by the index, and checks their digests."""

    def __init__(self, index: Index, out: str = ""):
        self.index, self.out = index, out
        self.open: Dict[str, Any] = {}
        self.left: Dict[str, int] = {}
        self.small: Dict[str, bytearray] = {}
        self.done: Set[str] = {d for d, b in index.blobs.items() if b["size"] == 0}
        if out:
            os.makedirs(os.path.join(out, "blobs", "sha256"))
            if self.done:
                open(self.path("sha256:" + sha(b"")), "xb").close()

    def path(self, digest: str) -> str:
        return os.path.join(self.out, "blobs", "sha256", digest[7:])

    def begin(self, segment: int) -> None:
        self.pieces = [piece for piece in self.index.pieces[segment] if piece[1]]

    def feed(self, offset: int, data: bytes) -> None:
        while self.pieces and self.pieces[0][0] < offset + len(data):
            start, length, digest = self.pieces[0]
            self.add(digest, data[max(0, start - offset):start + length - offset])
            if start + length > offset + len(data):
                return
            self.pieces.pop(0)

    def add(self, digest: str, data: bytes) -> None:
        size = self.index.blobs[digest]["size"]
        if digest not in self.open:
            self.open[digest], self.left[digest] = hashlib.sha256(), size
            if size <= MANIFEST and data[:1] == b"{":
                self.small[digest] = bytearray()
        self.open[digest].update(data)
        self.left[digest] -= len(data)
        if digest in self.small:
            self.small[digest] += data
        if self.out:
            with open(self.path(digest) + ".tmp", "ab") as file:
                file.write(data)
        if not self.left[digest]:
            if "sha256:" + self.open.pop(digest).hexdigest() != digest:
                bad(f"the content of {digest} has another digest")
            self.done.add(digest)
            if self.out:
                os.replace(self.path(digest) + ".tmp", self.path(digest))


class Bundle:
    """The drives of one bundle, or of a supplement and the bundle that it is for."""

    def __init__(self, dirs: List[str], options: argparse.Namespace, report: Report):
        self.report, self.options = report, options
        self.drives: Dict[int, Drive] = {}
        self.missing: List[int] = []
        self.groups: List[Group] = []
        self.plain = False
        self.damaged: List[str] = []
        found: List[Drive] = []
        failed: Optional[Fault] = None
        for where in dirs:
            try:
                found.append(Drive(where, report))
            except Fault as e:
                failed = e
                self.damaged.append(where)
                failed_at = where
        supplements = [d for d in found if "supplements" in d.seal]
        chosen = supplements[0] if supplements else next((d for d in found if d.seal), found[0] if found else None)
        if failed and (not supplements or chosen is None):
            report.fault(failed_at, failed.file, failed)
        if chosen is None:
            return
        self.id, self.seal, self.fingerprint, self.last = chosen.id, chosen.seal, chosen.fingerprint, chosen
        for drive in found:
            if drive.id != self.id and supplements:
                self.damaged.append(drive.where)
            elif drive.id != self.id or drive.number in self.drives or (drive.seal and drive is not chosen):
                raise Refused(f"{drive.where} is of another bundle, or a drive that was named already")
            else:
                self.drives[drive.number] = drive
        self.count = len(self.seal.get("drives", [])) or chosen.drive.get("of", 1)
        self.plain = "plain" in self.seal.get("needs", []) or any(f["name"].endswith(".zst") for f in chosen.drive["files"])

    def check(self) -> None:
        """Everything that needs no key. Raises Refused where nobody allowed what it is."""
        if any(d.unfinished for d in self.drives.values()):
            self.report.fault(self.last.where, "bundle.json" if self.last.drive["complete"] else "drive.json", "unfinished: it was never sealed")
            return
        if self.seal:
            self.check_seal()
        for n, drive in sorted(self.drives.items()):
            line = self.seal["drives"][n - 1] if self.seal and n <= self.count else {}
            if line and sha(drive.drive_bytes) != line["sha256"]:
                drive.fault("drive.json", "its SHA-256 is not that of bundle.json")
            label = f"{self.id[:8].upper()}-{n}" if self.count > 1 else ""
            if drive.drive.get("of", 1) != self.count or drive.drive["label"] != label or n > self.count or bool(drive.seal) != (n == self.count):
                drive.fault("drive.json", f"is not as drive {n} of {self.count} has it")
            if self.count > 1 and "readme" not in drive.drive:
                drive.fault("drive.json", '"readme" is missing')
            drive.check(self.seal, self.fingerprint, line.get("signatures", []), self.plain)
        self.check_parity()
        self.missing = [n for n in range(1, self.count + 1) if n not in self.drives]
        if self.missing:
            line = f"drive {', '.join(map(str, self.missing))} of {self.count} is not here, and not checked"
            self.report.note(line) if len(self.drives) == 1 else self.report.fault(self.last.where, "drive.json", line)
        self.check_trust()

    def check_seal(self) -> None:
        seal, where = self.seal, self.last
        have = set(seal.get("needs", []))
        signed = any("signatures" in line for line in seal["drives"])
        for feature, used in (("drives", self.count > 1), ("plain", seal["index"]["name"] == "index.zst"), ("supplement", "supplements" in seal)):
            if used != (feature in have):
                where.fault("bundle.json", f"needs and the rest do not agree on the feature {feature}")
        if [line["drive"] for line in seal["drives"]] != list(range(1, self.count + 1)) or seal["bundle"] != self.last.id:
            where.fault("bundle.json", "its drives are not numbered from 1, or it is of another bundle than drive.json")
        if (signed and "signatures" not in have) or have & {"parity", "across"} or ("stream" not in seal and seal["sequence"] != 1):
            where.fault("bundle.json", "needs, signatures, stream and sequence do not agree")
        if self.options.expect and self.options.expect != self.fingerprint:
            raise Fault("bundle.json", f"the fingerprint is {self.fingerprint}, not the one expected")

    def check_trust(self) -> None:
        if not self.options.trust:
            return
        who: Set[str] = set()
        for data in self.last.signers.values():
            who |= set(trusted(data, self.last.seal_bytes, self.options.trust, self.seal["created"])[:1])
        print(f"signed by: {', '.join(sorted(who))}\n{len(who)} of those you trust have signed it")
        if len(who) < self.options.signers:
            raise Fault("bundle.json", f"{len(who)} of those you trust have signed it, not {self.options.signers}")

    def check_parity(self) -> None:
        done: Set[int] = set()
        for drive in self.drives.values():
            for group in drive.parity.get("groups", []):
                if "drives" in group and group["group"] in done:
                    continue
                done.add(group["group"])
                self.groups.append(Group(drive.parity, group, self.drives, drive))
                self.groups[-1].check()

    # -- with a key

    def open(self) -> None:
        """Opens the bundle key and the index, and compares the index with the seals."""
        if self.plain and not self.options.allow_plain:
            raise Refused("the bundle is not encrypted: --allow-plain allows that")
        self.identities = {self.id: self.unlock(self.last)}
        if self.plain:
            with tempfile.TemporaryFile() as file:
                compare(self.last.where, self.seal["index"], file)
                file.seek(0)
                self.index = self.read_index(iter(lambda: file.read(MiB), b""))
        else:
            self.index = self.read_index(decrypt(self.last.where, "index.age", self.identities[self.id]))

    def unlock(self, drive: Drive) -> bytes:
        if self.plain:
            return b""
        if not self.options.i:
            raise NoKey("a key is needed: -i KEY")
        for name, data in drive.keys.items():
            if not any(s[0] == "scrypt" for s in stanzas(data, name)):
                identity = open_key(data, self.options.i)
                if identity is not None:
                    prefix = b"AGE-SECRET-KEY-PQ-1" if drive.kind in QUANTUM else b"AGE-SECRET-KEY-1"
                    if not re.fullmatch(prefix + rb"[A-Z0-9]+\n", identity):
                        raise Fault(name, "has no bundle key of the kind of the bundle")
                    return identity
        raise NoKey(f"{self.options.i} opens no key file of {drive.where}")

    def read_index(self, source: Iterator[bytes]) -> Index:
        name = self.seal["index"]["name"]
        try:
            index = Index(unzip(Chunks(source), INDEX))
            head, lines = index.lines["index"][0], index.lines
            if head["bundle"] != self.id or head.get("needs", []) != self.seal.get("needs", []):
                bad("is of another bundle, or needs something else than bundle.json")
            if "supplements" in self.seal and any(lines["supplements"][0][k] != v for k, v in self.seal["supplements"].items()):
                bad("supplements another bundle than bundle.json says")
            for n, drive in self.drives.items():
                have = [{k: s[k] for k in ("name", "size", "sha256")} for s in lines["segment"] if s["drive"] == n]
                if have != [{k: f[k] for k in ("name", "size", "sha256")} for f in drive.drive["files"]]:
                    bad(f"has other segments than drive.json of drive {n}")
            if any(s["drive"] > self.count for s in lines["segment"]):
                bad("has segments of a drive that is not there")
            return index
        except ValueError as e:
            raise Fault(name, str(e)) from None

    def prepare_kept(self) -> None:
        """Finds the segments of the damaged bundle, and its key."""
        self.kept: Dict[str, str] = {}
        if not self.index.lines["supplements"]:
            return
        of = self.index.lines["supplements"][0]
        for where in self.damaged:
            with contextlib.suppress(Fault):
                raw = read_file(where, "bundle.json", TEXT)
                if sha(raw.replace(b"\r\n", b"\n")) != of["fingerprint"]:
                    raise Refused(f"{where}: the fingerprint is not that of the bundle which the supplement is for")
                for name in sorted(os.listdir(where)):
                    if re.fullmatch(r"bundle\.json.*\.sig", name) and re.fullmatch(SIGNATURE, name):
                        check_signature(read_file(where, name, 16384), name, raw)
        for segment in self.index.lines["kept"]:
            for where in self.damaged:
                with contextlib.suppress(Fault):
                    compare(where, segment)
                    self.kept[segment["name"]] = where
            if segment["name"] not in self.kept:
                raise Fault(segment["name"], "is on no drive of the damaged bundle that was named; the supplement needs it")
        if self.kept and not self.plain:
            self.identities[of["bundle"]] = self.unlock_damaged()

    def unlock_damaged(self) -> bytes:
        for where in self.damaged:
            for name in sorted(os.listdir(where)):
                with contextlib.suppress(Fault):
                    if re.fullmatch(KEY_NAME, name):
                        data = read_file(where, name, MiB)
                        if not any(s[0] == "scrypt" for s in stanzas(data, name)):
                            identity = open_key(data, self.options.i)
                            if identity is not None:
                                return identity
        raise NoKey(f"{self.options.i} opens no key file of the damaged bundle")

    def plaintext(self, n: int) -> Iterator[bytes]:
        """A segment decrypted, wherever it is. In a plain bundle, the bytes that were compared."""
        item = self.index.segments[n]
        kept = n >= len(self.index.lines["segment"])
        where = self.kept[item["name"]] if kept else self.drives[item["drive"]].where
        if not self.plain:
            owner = self.index.lines["supplements"][0]["bundle"] if kept else self.id
            yield from decrypt(where, item["name"], self.identities[owner])
            return
        with tempfile.TemporaryFile() as file:
            compare(where, item, file)
            file.seek(0)
            yield from iter(lambda: file.read(MiB), b"")

    def segment(self, n: int) -> Iterator[Tuple[int, bytes]]:
        """The frames of a segment: as many tar bytes as the index says."""
        total, want = 0, self.index.segments[n]["tar"]
        for offset, data in segment_frames(Chunks(self.plaintext(n))):
            total += len(data)
            if total > want:
                break
            yield offset, data
        if total != want:
            bad(f"has {total} tar bytes or more, not {want}")

    def content(self, out: str = "") -> None:
        """Reads all segments: tar stream, index and digests must agree."""
        if self.missing:
            raise Fault("drive.json", f"drives are missing: {self.missing}")
        self.prepare_kept()
        tar, blobs = Tar(self.index), Blobs(self.index, out)
        for n, item in enumerate(self.index.segments):
            own = n < tar.own
            try:
                if own:
                    tar.begin(n)
                blobs.begin(n)
                for offset, data in self.segment(n):
                    if own:
                        tar.feed(n, offset, data)
                    blobs.feed(offset, data)
                if own and n == tar.own - 1:
                    tar.finish()
            except ValueError as e:
                raise Fault(item["name"], str(e)) from None
        self.check_layout(tar, blobs)
        if out:
            for name, data in tar.files.items():
                with open(os.path.join(out, name), "wb") as file:
                    file.write(data)

    def check_layout(self, tar: Tar, blobs: Blobs) -> None:
        """index.json names the inventory, and what images need is there or in the baseline."""
        lines = self.index.lines
        try:
            if parse(bytes(tar.files["oci-layout"])) != {"imageLayoutVersion": "1.0.0"}:
                bad("oci-layout is not that of version 1.0.0")
            have = [(m["digest"], m["size"], m["annotations"]["org.opencontainers.image.ref.name"]) for m in parse(bytes(tar.files["index.json"]))["manifests"]]
            want = [(i["root"]["digest"], i["root"]["size"], i.get("source", i.get("name"))) for i in lines["image"] + lines["document"]]
            if sorted(have) != sorted(want):
                bad("index.json does not name the images and documents of the index")
            for item in lines["image"] + lines["document"]:
                named_by: Set[str] = set()
                self.reach(item["root"], set(item.get("without", [])), blobs, named_by, False)
                if set(item.get("without", [])) - named_by:
                    bad(f"{item['source']}: without has a digest that no index of it names")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            raise Fault(lines["segment"][-1]["name"], str(e)) from None

    def reach(self, descriptor: Dict[str, Any], without: Set[str], blobs: Blobs, named_by: Set[str], below_index: bool) -> None:
        digest = descriptor["digest"]
        if below_index:
            named_by.add(digest)
            if digest in without:
                return
        if digest not in blobs.done:
            if self.index.half(digest) in self.index.halves:
                return
            bad(f"{digest} is needed, and neither here nor in the baseline")
        if self.index.blobs[digest]["size"] != descriptor["size"]:
            bad(f"{digest} has another size than what names it says")
        if is_index(descriptor) or is_manifest(descriptor):
            value = json.loads(bytes(blobs.small.get(digest, b"")))
            for child in value.get("manifests", []):
                self.reach(child, without, blobs, named_by, True)
            for child in [value[key] for key in ("config",) if key in value] + value.get("layers", []):
                self.reach(child, without, blobs, named_by, False)

    def blob(self, digest: str) -> bytes:
        """One blob, from the frames that have it alone."""
        if digest not in self.index.blobs:
            raise Refused(f"there is no blob {digest}")
        self.prepare_kept()
        out = b""
        for n, offset, length in self.index.blobs[digest]["at"]:
            try:
                out += self.piece(n, offset, length)
            except ValueError as e:
                raise Fault(self.index.segments[n]["name"], str(e)) from None
        if "sha256:" + sha(out) != digest:
            raise Fault(self.index.segments[n]["name"], f"the content of {digest} has another digest")
        return out

    def piece(self, n: int, offset: int, length: int) -> bytes:
        with tempfile.TemporaryFile() as file:
            for chunk in self.plaintext(n):
                file.write(chunk)
            out, start, at = b"", 0, 0
            for packed, size in seek_table(file):
                if at < offset + length and offset < at + size:
                    file.seek(start)
                    data = b"".join(unzip(io.BytesIO(file.read(packed)), size))
                    out += data[max(0, offset - at):max(0, offset + length - at)]
                start, at = start + packed, at + size
            return out

    def print_list(self) -> None:
        lines = self.index.lines
        print(f"bundle: {self.id}\nfingerprint: {self.fingerprint}\ncreated: {self.seal['created']}")
        for of in lines["supplements"]:
            print(f"supplement of: {of['bundle']} {of['fingerprint']}")
        for image in lines["image"]:
            print(f"image: {image['source']} {image['root']['digest']}")
        for gap in lines["gap"]:
            print(f"gap: {gap['source']}: {gap['error']}")
        for document in lines["document"]:
            print(f"document: {document['name']}")

    def print_counts(self) -> None:
        lines = self.index.lines
        print(f"images: {len(lines['image'])}\ngaps: {len(lines['gap'])}\ndocuments: {len(lines['document'])}\nleft out: {len(self.index.halves)}")

    def check_baseline(self, earlier: "Bundle") -> None:
        have = {self.index.half(digest) for digest in earlier.index.blobs} | earlier.index.halves
        if self.index.halves - have:
            raise Refused(f"{len(self.index.halves - have)} of what is left out is not in the baseline {earlier.last.where}")

    def rebuild(self, out: str) -> None:
        """Writes each segment that is lost or damaged, as its parity files have it."""
        os.makedirs(out)
        for group in self.groups:
            for i, (item, owner) in enumerate(zip(group.data, group.owners)):
                if owner and (f"{owner.where}/{item['name']}:" not in "".join(self.report.faults)):
                    continue
                path = os.path.join(out, item["name"])
                with open(path + ".tmp", "wb") as file:
                    file.writelines(group.rebuild(i))
                compare(out, {**item, "name": item["name"] + ".tmp"})
                os.replace(path + ".tmp", path)
                print(f"rebuilt: {path}")


# ---- the commands

def arguments(line: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reader.py", description="A second reader of the satchel bundle format.")
    parser.add_argument("command", choices=["verify", "list", "extract", "cat", "rebuild"])
    parser.add_argument("dirs", nargs="+", metavar="DIR")
    parser.add_argument("-i", metavar="KEY", help="an age identity file")
    parser.add_argument("--allow-plain", action="store_true", help="allow a bundle that is not encrypted")
    parser.add_argument("--trust", metavar="FILE", help="an allowed signers file: one of its keys must have signed")
    parser.add_argument("--signers", type=int, default=1, metavar="N", help="how many of them")
    parser.add_argument("--expect", metavar="HEX", help="the fingerprint that the bundle must have")
    parser.add_argument("--baseline", action="append", default=[], metavar="DIR", help="the bundle that has what this one leaves out")
    return parser.parse_intermixed_args(line)


def run(line: List[str]) -> int:
    """One command; answers with the exit code."""
    report, last = Report(), ""
    options = arguments(line)
    if options.command in ("extract", "cat", "rebuild"):
        last = options.dirs.pop()
    try:
        bundle = Bundle(options.dirs, options, report)
        if not report.faults:
            bundle.check()
        if options.command == "rebuild":
            bundle.rebuild(last)
            return 0
        if not report.faults and (options.i or options.allow_plain or options.command != "verify"):
            read_content(bundle, options, last)
    except Refused as e:
        print(f"refused: {e}")
        return 2
    except NoKey as e:
        print(f"key: {e}")
        return 5
    except Fault as e:
        report.fault(options.dirs[0], e.file, e)
    except OSError as e:
        print(f"failed: {e}")
        return 1
    if report.faults:
        print("verdict: damaged")
        return 4
    if options.command in ("verify", "extract"):
        if bundle.plain:
            report.note("the bundle is not encrypted: anybody can read it")
        verdict = "whole, but not as it was sealed" if report.changes else "whole, as far as it is here" if bundle.missing else "whole"
        print(f"fingerprint: {bundle.fingerprint}\nverdict: {verdict}")
    return 4 if report.changes else 0


def read_content(bundle: Bundle, options: argparse.Namespace, last: str) -> None:
    bundle.open()
    if options.command == "cat":
        sys.stdout.buffer.write(bundle.blob(last))
        return
    if options.command == "list":
        bundle.print_list()
        return
    bundle.content(last)
    bundle.print_counts()
    if options.baseline:
        earlier = Bundle(options.baseline, options, bundle.report)
        earlier.check()
        earlier.open()
        bundle.check_baseline(earlier)


def main() -> int:
    if sys.argv[1:] != ["batch"]:
        return run(sys.argv[1:])
    for line in sys.stdin:
        print(f"exit: {run(shlex.split(line))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
