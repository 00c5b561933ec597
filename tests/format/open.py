#!/usr/bin/env python3
"""A second reader of daicho's content, written from ledger/FORMAT.md §7 and nothing else.

    open.py DATA_DIR

Prints a line for each content of each entry: position, name, SHA-256 of what it is in plain.
Exit code 1 when one does not open. Needs the packages `cryptography` and `zstandard`, and the
buckets' keys below DATA_DIR.
"""
import hmac, json, sys
from pathlib import Path
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from verify import frames, number, sha256

WINDOW, MAGIC = 32768, bytes.fromhex("28b52ffd")


class Bucket:
    def __init__(self, data, origin, name, subject):
        self.frames, self.plain = {}, {}
        self.aad = f"daicho/content/v1\n{origin}\n{name}\n".encode()
        key = (data / "keys/content" / f"{name}.key").read_bytes()
        if subject:
            wrapped = (data / "keys/content" / name / f"{subject}.key").read_bytes()
            wrap, aad = AESGCMSIV(hmac.digest(key, b"wrap", "sha256")), f"daicho/subject/v1\n{origin}\n{name}\n{subject}"
            key, self.aad = wrap.decrypt(bytes(12), wrapped, aad.encode())[:32], self.aad + f"{subject}\n".encode()
            if hmac.digest(key, b"id", "sha256")[:16].hex() != subject: raise ValueError(f"{subject} is another key")
        self.cipher = AESGCMSIV(hmac.digest(key, b"seal", "sha256"))
        for path in sorted((data / "content" / name).glob("*.pack")):
            pack = path.read_bytes()
            for base, beside, box in frames(pack, pack.index(b"\n") + 1):
                self.frames[sha256(base + beside + box)] = base, beside, box

    def open(self, digest):
        chain, none = [], bytes(32)
        while digest not in self.plain:
            chain.append(digest)
            digest = self.frames[digest][0]
            if digest == none: break
        for digest in reversed(chain):
            base, beside, box = self.frames[digest]
            packed = self.cipher.decrypt(base[:12], box, self.aad + base + beside)
            text = self.plain.get(base, b"")
            self.plain[digest] = edit(text, self.open(beside) if beside != none else text, packed) if base != none else unzstd(packed, b"")
        return self.plain[digest]


def edit(base, beside, packed):
    count, at = number(packed, 0)
    edits = []
    for _ in range(count):
        copy, at = number(packed, at)
        skip, at = number(packed, at)
        insert, at = number(packed, at)
        edits.append((copy, skip, insert))
    behind = len(base) - sum(copy + skip for copy, skip, _ in edits)
    end = max(len(beside) - behind, 0)
    new = unzstd(packed[at:], beside[max(end - WINDOW, 0):end]) if at < len(packed) else b""
    plain, old = b"", 0
    for copy, skip, insert in edits:
        plain, old, new = plain + base[old:old + copy] + new[:insert], old + copy + skip, new[insert:]
    return plain + base[old:]


def unzstd(frame, window):
    prefix = zstandard.ZstdCompressionDict(window, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if window else None
    return zstandard.ZstdDecompressor(dict_data=prefix).decompressobj().decompress(MAGIC + frame)


def main():
    data, buckets, wrong = Path(sys.argv[1]), {}, 0
    lines = [json.loads(line.split(b"\t")[0]) for path in sorted((data / "log").glob("0*")) for line in path.read_bytes().split(b"\n")[:-1]]
    for body in lines:
        for ref in body.get("content", []):
            name = ref["bucket"], ref.get("subject")
            if name not in buckets: buckets[name] = Bucket(data, lines[0]["data"]["origin"], *name)
            plain = buckets[name].open(bytes.fromhex(ref["sealed"]))
            wrong += len(plain) != ref["plain_bytes"]
            print(body["seq"], ref["name"], sha256(plain).hex())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
