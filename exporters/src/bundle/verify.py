#!/usr/bin/env python3
"""Checks an evidence bundle of daicho without daicho:  python3 verify.py BUNDLE.zip --vkey VKEY

Take this file and the vkey from elsewhere than the bundle: what comes with the evidence may have been made to
lie. Needs Python 3.9, and for signatures the package `cryptography` or the program OpenSSL 3; no network. The
rules are in FORMAT.md, section 9. Exit code 0: sound, so read what is proven and what is not; 1: something is
wrong; 2: it could not be done. A signature is valid by RFC 8032's equation without cofactor, and if neither the
key nor the signature's R is of small order or encoded in a second way."""
import argparse, base64, hashlib, itertools, json, re, struct, subprocess, sys, tempfile, time, zlib
from pathlib import Path
try: from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError: Ed25519PublicKey = None

NEEDED = {"FORMAT.md", "verify.html", "verify.py", "manifest.json", "entries.ndjson", "proofs", "checkpoint"}
MEMBER = re.compile("|".join(map(re.escape, NEEDED)) + r"|older/stamped\.tsr|older/(cosigned|kept|stamped)\."
                    r"(checkpoint|consistency)|(sealed|released)/[0-9]{20}/[a-z0-9][a-z0-9._-]{0,63}")
FILTERS = ("actor", "session", "class")
P = 2**255 - 19  # the field of Ed25519; Y8 is the y of two of its points of order 8
Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")

def must(so, fault):
    if not so: raise ValueError(fault)

def sha256(data): return hashlib.sha256(data).digest()

def unbase64(text, length=None):
    raw = base64.b64decode(text, validate=True)
    must(base64.b64encode(raw).decode() == text and length in (None, len(raw)), "not base64 in its one form")
    return raw

def unjson(raw):
    value = json.loads(raw)  # written again: no key twice, no white space, one spelling
    must(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() == raw, "not JSON in its one form")
    return value

def unzip(raw):
    """Stored members in the order of their names, one after the other, then a directory that says the same."""
    members, directory, at, last = {}, b"", 0, ""
    while raw[at:at + 4] == b"PK\3\4":
        size, _, length = struct.unpack_from("<IIH", raw, at + 18)
        name, data = raw[at + 30:at + 30 + length].decode("ascii"), raw[at + 30 + length:at + 30 + length + size]
        facts = struct.pack("<5H3I2H", 10, 0, 0, 0, 0x21, zlib.crc32(data), len(data), len(data), length, 0)
        must(raw[at + 4:at + 30] == facts, f"the zip: {name} is damaged, cut off or in another form")
        must(MEMBER.fullmatch(name), f"{name}: no file of this name belongs into a bundle")
        must(last < name, f"the zip: {name} is there twice or out of order")
        directory += b"PK\1\2" + struct.pack("<H", 10) + facts + bytes(10) + struct.pack("<I", at) + name.encode()
        members[name], last, at = data, name, at + 30 + length + size
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), at, 0)
    must(raw[at:] == directory + end, "the zip: its directory is not that of its files, or something is behind it")
    must(NEEDED <= set(members), f"missing: {NEEDED - set(members)}")
    return members

def small(point):
    y = int.from_bytes(point, "little") % 2**255
    return y >= P or y in (0, 1, P - 1, Y8, P - Y8)

def holds(public, message, signature):
    if len(signature) != 64 or small(public) or small(signature[:32]): return False
    if Ed25519PublicKey:
        try: return Ed25519PublicKey.from_public_bytes(public).verify(signature, message) is None
        except Exception: return False
    with tempfile.TemporaryDirectory() as at:
        files = {"key": bytes.fromhex("302a300506032b6570032100") + public, "in": message, "sig": signature}
        for name, data in files.items(): (Path(at) / name).write_bytes(data)
        openssl = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in in -sigfile sig"
        return subprocess.run(openssl.split(), cwd=at, capture_output=True).returncode == 0

def vkey(text, kind=1):
    """Name, public key and id of a C2SP vkey; kind 1 signs a log, kind 4 cosigns it."""
    name, keyid, raw = text.split("+", 2)
    raw = unbase64(raw, 33)
    named = sha256(name.encode() + b"\n" + raw)[:4].hex() == keyid
    must(raw[0] == kind and named and not small(raw[1:]), f"not a sound key: {text}")
    return name, raw[1:], keyid

def signed(note, key):
    """The text of a C2SP signed note, and what stands on it under this key."""
    text, _, lines = note.decode().rpartition("\n\n")
    must(lines.endswith("\n") and not re.search("[\0-\11\13-\37]", text), "not a signed note")
    lines = [line.split(" ") for line in lines[:-1].split("\n")]
    must(all(len(line) == 3 and line[0] == "—" for line in lines), "not a signed note")
    raws = [(name, unbase64(raw)) for _, name, raw in lines]
    return text + "\n", [raw[4:] for name, raw in raws if (name, raw[:4].hex()) == (key[0], key[2])]

def claimed(note):
    size = note.decode().split("\n")[1]
    must(re.fullmatch("0|[1-9][0-9]{0,18}", size), "not a checkpoint")
    return int(size)

def opened(note, keys):
    """Size and root of a checkpoint that the log's key of its size has signed."""
    key = key_at(keys, claimed(note))
    text, signatures = signed(note, key)
    origin, size, root = text.split("\n")[:3]
    must(origin == key[0] and signatures, "not a checkpoint under the log's key")
    must(all(holds(key[1], text.encode(), signature) for signature in signatures), "its signature does not hold")
    return int(size), unbase64(root, 32)

def key_at(keys, position): return [key for start, key, _ in keys if start <= position][-1]

def node(left, right): return sha256(b"\1" + left + right)

def half(size): return 1 << (size - 1).bit_length() - 1  # RFC 6962: the largest power of two below size

def root_of(leaf, seq, size, path):
    must(seq < size and (size == 1) == (not path), "a proof has another length")
    if size == 1: return leaf
    left = half(size)
    if seq < left: return node(root_of(leaf, seq, left, path[:-1]), path[-1])
    return node(path[-1], root_of(leaf, seq - left, size - left, path[:-1]))

def roots_of(old_root, old, size, path, whole=True):
    """The roots of the first `old` entries and of all `size`, by a consistency proof."""
    if old == size:
        must(len(path) == (0 if whole else 1), "a proof has another length")
        return (old_root, old_root) if whole else (path[0], path[0])
    must(0 < old < size and path, "a proof has another length")
    left = half(size)
    if old <= left:
        was, now = roots_of(old_root, old, left, path[:-1], whole)
        return was, node(now, path[-1])
    was, now = roots_of(old_root, old - left, size - left, path[:-1], False)
    return node(path[-1], was), node(path[-1], now)

class Bundle:
    """A bundle of which every part has its form. Each method says what is proven and what is not, line by line;
    a ValueError is what is wrong."""

    def __init__(self, raw):
        self.members = members = unzip(raw)
        manifest = unjson(members["manifest.json"])
        self.chosen = chosen = manifest["chosen"]
        must(manifest == {"bundle": 1, "chosen": chosen} and {"from", "to"} <= set(chosen) <= {"from", "to", "kind", "since", "until", *FILTERS}
             and type(chosen.get("kind", [])) is list, "manifest.json: another form or version")
        self.entries, self.keys = [], []  # keys: from which position on, the key, its vkey
        must(members["entries.ndjson"].endswith(b"\n"), "entries.ndjson: its last line has no end")
        for line in members["entries.ndjson"][:-1].split(b"\n"):
            body, _, signature = line.partition(b"\t")
            entry = {**unjson(body), "leaf": sha256(b"\0" + body), "signature": unbase64(signature.decode(), 64)}
            seq, kind = entry["seq"], entry["kind"]
            must(type(seq) is int and seq > (self.entries[-1]["seq"] if self.entries else -1), "entries.ndjson: not in order")
            self.entries.append(entry)
            if (seq == 0 and kind == "ledger.created") or (self.keys and kind == "key.rotated"):
                self.keys.append((seq + 1 if self.keys else 0, vkey(entry["data"]["vkey"]), entry["data"]["vkey"]))
        must(self.keys, "entry 0, which names the log's first key, is missing")
        self.origin, self.vkeys = self.keys[0][1][0], [text for _, _, text in self.keys]
        must({key[0] for _, key, _ in self.keys} == {self.origin} and len(set(self.vkeys)) == len(self.keys), "a key that cannot be the next")
        self.positions = [entry["seq"] for entry in self.entries]
        self.size, self.root = opened(members["checkpoint"], self.keys)

    def prove_entries(self):
        blocks = self.members["proofs"].decode().split("\n\n")
        must(len(blocks) == len(self.entries) + 1 and blocks.pop() == "", "proofs: not one for each entry")
        for before, entry, block in zip([None, *self.entries], self.entries, blocks):
            seq, (index, *path) = entry["seq"], block.split("\n")
            root = root_of(entry["leaf"], seq, self.size, [unbase64(line, 32) for line in path])
            must(index == f"index {seq}" and root == self.root, f"entry {seq}: its proof leads elsewhere")
            message = f"daicho/entry/v1\n{self.origin}\n".encode() + entry["leaf"]
            must(holds(key_at(self.keys, seq)[1], message, entry["signature"]), f"entry {seq}: its signature does not hold")
            if before:
                follows = before["seq"] + 1 < seq or entry["prev"] == before["leaf"].hex()
                must(follows and before["at"] <= entry["at"], f"entry {seq}: it does not follow the entry before")
            must(self.fits(entry) or seq == 0 or entry["kind"] == "key.rotated", f"entry {seq}: not what the manifest says was chosen")
        runs = [[seq for _, seq in run] for _, run in itertools.groupby(enumerate(self.positions), lambda at: at[1] - at[0])]
        runs = [(run[0], run[-1]) for run in runs]
        shown = ", ".join(f"{first}-{last}" if first < last else f"{first}" for first, last in runs[:12]) + " …" * (len(runs) > 12)
        yield "PROVEN", (f"{len(self.entries)} entries ({shown}) are in the log {self.origin} at these positions, exactly as they are here: their"
                         f" hashes lead to the root of its first {self.size} entries; the log's key signed that root, and each entry the key in force there")
        for first, last in runs:
            if first < last: yield "PROVEN", f"nothing is missing from entry {first} to entry {last}: every position is here"
        if set(self.chosen) == {"from", "to"}:
            whole = any(first <= self.chosen["from"] and self.chosen["to"] <= last for first, last in runs)
            must(whole, f"an entry is missing of {self.chosen}")
        else: yield "NOT PROVEN", f"that these are all entries of {self.chosen}: the sender says so; only a range without a gap shows it"

    def fits(self, entry):
        chosen = self.chosen
        return (chosen["from"] <= entry["seq"] <= chosen["to"] and entry["kind"] in chosen.get("kind", [entry["kind"]])
                and all(entry.get(key) == chosen[key] for key in FILTERS if key in chosen)
                and chosen.get("since", "") <= entry["at"] < chosen.get("until", "~"))

    def prove_keys(self, given):
        for start, _, text in self.keys[1:]: yield "PROVEN", f"from entry {start} on the key is {text}: the key before signed entry {start - 1}"
        must(given in [None, *self.vkeys], f"the key that you gave was never the log's: {given}")
        if given: yield "PROVEN", "the key that you gave is in the log's key history"
        else: yield "NOT PROVEN", f"that the key is that of the log's owner: compare it with the one you were given: {self.vkeys[-1]}"

    def prove_others(self, checkpoints, witnesses, tsa_ca):
        """What auditors, witnesses and time stamping authorities have seen of the log."""
        notes, stamped = [(self.members["checkpoint"], self.size, [])], None
        for role in ("cosigned", "kept", "stamped"):
            note, path = self.members.get(f"older/{role}.checkpoint"), self.members.get(f"older/{role}.consistency")
            must((note is None) == (path is None), f"older/{role}: one of two files is missing")
            if note is None: continue
            must(path[-1:] in (b"", b"\n"), f"older/{role}.consistency: its last line has no end")
            (old, old_root), path = opened(note, self.keys), [unbase64(line, 32) for line in path.decode().split("\n")[:-1]]
            must(roots_of(old_root, old, self.size, path) == (old_root, self.root), f"older/{role}: the log did not grow from it")
            notes.append((note, old, path))
            if role == "stamped": stamped = note
            yield "PROVEN", f"the log has only grown since its checkpoint of size {old} ({role}): a consistency proof"
        for file in checkpoints:
            if claimed(file.read_bytes()) > self.size:  # the bundle need not hold the key of a later time
                yield "NOT DONE", f"{file} is newer than the bundle; ask for a new one"
                continue
            mine, my_root = opened(file.read_bytes(), self.keys)
            path = next((path for _, old, path in notes if old == mine), None)
            if path is None:
                yield "NOT DONE", f"{file} (size {mine}) cannot be compared; ask for a bundle made with --checkpoint and this file"
                continue
            must(roots_of(my_root, mine, self.size, path) == (my_root, self.root), f"{file}: the log has another history than this checkpoint")
            yield "PROVEN", f"the log has only grown since your checkpoint {file} of size {mine}: a consistency proof"
        for key in [vkey(text, 4) for text in witnesses]:
            seen = [(old, signature, signed(note, key)[0]) for note, old, _ in notes for signature in signed(note, key)[1]]
            must(seen, f"the witness {key[0]} has cosigned none of the checkpoints here")
            for old, signature, text in seen:
                seconds, = struct.unpack(">Q", signature[:8])
                sound = 0 < seconds < 2**63 and holds(key[1], f"cosignature/v1\ntime {seconds}\n{text}".encode(), signature[8:])
                must(sound, f"the cosignature of {key[0]} does not hold")
                at, count = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(seconds, 2**37))), sum(seq < old for seq in self.positions)
                yield "PROVEN", f"the witness {key[0]} saw the first {old} entries at {at}: {count} of the entries here are among them"
        if not witnesses: yield "NOT PROVEN", "that everybody is shown the same log: name a witness, for who has the key can sign two"
        token = self.members.get("older/stamped.tsr")
        must(token is None or stamped and sha256(stamped) in token, "older/stamped.tsr is not a token over older/stamped.checkpoint")
        if token is None: yield "NOT PROVEN", "when the entries were written: by the ledger's own clock, and no authority's token is here"
        elif not tsa_ca: yield "NOT PROVEN", "when the stamped checkpoint was made: its token is checked with --tsa-ca CA.pem only"
        else:
            with tempfile.TemporaryDirectory() as at:
                (Path(at) / "tsr").write_bytes(token), (Path(at) / "note").write_bytes(stamped)
                openssl = ["openssl", "ts", "-verify", "-in", f"{at}/tsr", "-data", f"{at}/note", "-CAfile", tsa_ca]
                must(subprocess.run(openssl, capture_output=True).returncode == 0, "older/stamped.tsr does not hold under --tsa-ca")
            yield "PROVEN", (f"the first {claimed(stamped)} entries existed when the authority's token was made;"
                             " `openssl ts -reply -text -in older/stamped.tsr` shows when")

    def prove_contents(self):
        for seq, name in sorted({tuple(name.split("/")[1:]) for name in self.members if name[:7] in ("sealed/", "release")}):
            what, sealed, plain = f"{name} of entry {int(seq)}", *(self.members.get(f"{kind}/{seq}/{name}") for kind in ("sealed", "released"))
            found = [c for entry in self.entries if entry["seq"] == int(seq) for c in entry.get("content", []) if c["name"] == name]
            must(found and None not in (sealed, plain), f"{what}: its entry, its sealed or its released bytes are missing")
            must((found[0]["sealed"], found[0]["sealed_bytes"]) == (sha256(sealed).hex(), len(sealed)), f"{what}: not the sealed bytes of the entry")
            must(found[0]["plain_bytes"] == len(plain), f"{what}: the released bytes have another length than the entry says")
            yield "PROVEN", f"the sealed bytes of {what} are the ones that were recorded: the entry holds their SHA-256"
            yield "NOT PROVEN", f"that released/{seq}/{name} is what was sealed: that is the statement of whoever released it"
        yield "NOT PROVEN", "that what the entries say is true: a log proves what was recorded and in which order, not that it was so"

def check(raw, args):
    bundle = Bundle(raw)
    yield from bundle.prove_entries()
    yield from bundle.prove_keys(args.vkey)
    yield from bundle.prove_others(args.checkpoint, args.witness, args.tsa_ca)
    yield from bundle.prove_contents()

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--vkey", help="the log's key as it was published elsewhere")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="a checkpoint that you kept (repeatable)")
    parser.add_argument("--witness", action="append", default=[], metavar="VKEY", help="a witness that must have cosigned (repeatable)")
    parser.add_argument("--tsa-ca", metavar="FILE", help="certificates of the time stamping authority, in PEM")
    args, said, code = parser.parse_args(), [], 0
    try:
        for line in check(args.bundle.read_bytes(), args): said.append(line)
        code = 2 if any(word == "NOT DONE" for word, _ in said) else 0
    except OSError as fault: return print(f"error: {fault}", file=sys.stderr) or 2
    except Exception as fault:  # whatever a bundle does to this program, it is not proven by it
        said, code = [("WRONG", str(fault) if type(fault) is ValueError else f"the bundle is malformed: {fault!r}")], 1
    for word, text in said: print(f"{word:<12} {text}".encode("utf-8", "backslashreplace").decode())
    print(["verified: what is called proven above, and nothing else", "NOT VERIFIED: nothing in this bundle is proven",
           "NOT VERIFIED: the rest of the bundle is sound"][code])
    return code

if __name__ == "__main__": sys.exit(main())
