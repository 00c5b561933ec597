#!/usr/bin/env python3
"""Checks an evidence bundle of daicho without daicho:  python3 verify.py BUNDLE.zip --vkey VKEY

Take this file and the vkey from elsewhere than the bundle: what comes with the evidence may be made to lie.
Needs Python 3.9, and for signatures the package `cryptography` or the program OpenSSL 3. The rules are in
FORMAT.md, section 9. Exit code 0: sound, read what is proven; 1: something is wrong; 2: not all was done."""
import argparse, base64, hashlib, io, json, re, subprocess, sys, tempfile, time, zipfile
from collections import namedtuple
from pathlib import Path
try: from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError: Ed25519PublicKey = None

def must(so, fault):
    if not so: raise ValueError(fault)

# Files. Each has one form, so that no two readers see two things in it.
def unzip(raw):
    anew = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(anew, "w", allowZip64=False) as new:
        must(sum(member.file_size for member in old.infolist()) < len(raw), "the zip grows when unpacked")
        files = {name: old.read(name) for name in sorted(old.namelist())}
        for name, data in files.items():
            member = zipfile.ZipInfo(name)
            member.create_system = 3  # as on Unix, on whichever system this runs
            new.writestr(member, data)
    must(anew.getvalue() == raw, "the zip is damaged, or its files written anew make another")
    return files

def rows(raw):
    *rows, rest = [line.split("\t") for line in raw.decode().split("\n")]
    must(rest == [""], "a file is cut off")
    return rows

def unjson(text):
    value = json.loads(text)  # written anew it is the same: no key is there twice
    must(json.dumps(value, ensure_ascii=False, separators=(",", ":")) == text, "JSON in another form")
    return value

def unbase64(text, length=None):
    raw = base64.b64decode(text, validate=True)
    must(base64.b64encode(raw).decode() == text and length in (None, len(raw)), "base64 in another form")
    return raw

# Hashes and signatures.
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()

def roots(leaf, seq, size, path):
    """The RFC 6962 roots of the first `seq` + 1 entries and of all `size`, from the leaf hash of entry `seq`
    and, at each step up the tree, the hash of the other half. What is to the right is in the second only."""
    must(type(seq) is int and 0 <= seq < size and (size > 1) == bool(path), "a proof has another length")
    if size == 1: return leaf, leaf
    half, (*below, other) = 1 << (size - 1).bit_length() - 1, path  # the largest power of two below size
    if seq < half:
        first, whole = roots(leaf, seq, half, below)
        return first, sha256(b"\1", whole, other)
    first, whole = roots(leaf, seq - half, size - half, below)
    return sha256(b"\1", other, first), sha256(b"\1", other, whole)

def weak(point):
    """Is it of small order, or encoded in a second way? y8 is that of two of the points of order 8."""
    y, p = int.from_bytes(point, "little") % 2**255, 2**255 - 19
    y8 = 2707385501144840649318225287225658788936804267575313519463743609750303021498
    return y >= p or y in (0, 1, p - 1, y8, p - y8)

def holds(key, message, signature):
    """Does an Ed25519 signature hold, by RFC 8032 without cofactor?"""
    if len(signature) != 64 or weak(signature[:32]): return False
    if not Ed25519PublicKey:
        command = "pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message -sigfile signature"
        der = bytes.fromhex("302a300506032b6570032100") + key.public
        return openssl(command, key=der, message=message, signature=signature)
    try: return Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message) is None
    except Exception: return False

def openssl(command, **files):
    with tempfile.TemporaryDirectory() as at:
        for name, data in files.items(): Path(at, name).write_bytes(data)
        return subprocess.run(["openssl", *command.split()], cwd=at, capture_output=True).returncode == 0

Key = namedtuple("Key", "vkey name id public")
Note = namedtuple("Note", "raw text origin size root signatures")

def read_key(vkey, kind=1):
    """A C2SP verifier key, of kind 1 for a log or 4 for a witness."""
    name, id, raw = vkey.split("+", 2)
    raw = unbase64(raw, 33)
    named = id == sha256(name.encode(), b"\n", raw)[:4].hex()
    must(named and raw[0] == kind and not weak(raw[1:]), f"not a sound key: {vkey}")
    return Key(vkey, name, id, raw[1:])

def read_note(raw):
    """A C2SP checkpoint. Nobody has checked its signatures yet."""
    line, word = "([^\0-\37]+)\n", "([^\0-\40]+)"  # without control characters
    form = f"({line}([1-9][0-9]{{0,18}})\n{line}(?:{line})*)\n((?:— {word} {word}\n)+)"
    found = re.fullmatch(form, raw.decode())
    must(found, "not a checkpoint")
    text, origin, size, root, _, signatures = found.groups()[:6]
    signatures = [(name, unbase64(of)) for name, of in re.findall(f"— {word} {word}\n", signatures)]
    return Note(raw, text, origin, int(size), unbase64(root, 32), signatures)

def by(key, note):
    return [raw[4:] for name, raw in note.signatures if (name, raw[:4].hex()) == (key.name, key.id)]

def claim(proven, what): return "PROVEN" if proven else "NOT PROVEN", what

def check(files, given):
    """Says what is proven and what is not. What it reads it takes out of `files`."""
    for paper in ("FORMAT.md", "verify.html", "verify.py"): files.pop(paper)
    head, entries, keys = read_note(files.pop("checkpoint")), [], []
    known = {head.size: head.root}  # the log's roots by size: each proof that leads to head's shows another

    def prove(seq, leaf, path):
        path = [unbase64(hash, 32) for hash in path.split(" ")] if path else []
        known[seq + 1], root = roots(leaf, seq, head.size, path)
        must(root == head.root, f"entry {seq}: its proof does not lead to the checkpoint's root")

    def key_at(position):  # a key signs what is after the entry that names it; the first key that entry, too
        return [key for seq, key in keys if seq < position or seq == 0][-1]

    def grew_from(note):  # or else nothing here tells
        key = key_at(note.size)
        held = [holds(key, note.text.encode(), signature) for signature in by(key, note)]
        must(held and all(held) and note.origin == key.name, "a checkpoint that the log's key did not sign")
        must(known.get(note.size, note.root) == note.root, f"at size {note.size} the log had another root")
        return note.size in known

    before = {"seq": -1, "at": "", "leaf": bytes(32)}
    for body, signature, path in rows(files.pop("entries")):
        entry = {**unjson(body), "leaf": sha256(b"\0", body.encode())}
        seq = entry["seq"]
        prove(seq, entry["leaf"], path)
        must(before["seq"] < seq and before["at"] <= entry["at"], f"entry {seq}: out of order")
        must(before["seq"] + 1 < seq or before["leaf"].hex() == entry["prev"], f"entry {seq}: wrong prev")
        if entry["kind"] == ("key.rotated" if seq else "ledger.created"):
            keys.append((seq, read_key(entry["data"]["vkey"])))
        must(keys and keys[0][0] == 0, "entry 0, which names the log's first key, is missing")
        message = f"daicho/entry/v1\n{head.origin}\n".encode() + entry["leaf"]
        must(holds(key_at(seq), message, unbase64(signature)), f"entry {seq}: its signature does not hold")
        entries.append(before := entry)
    vkeys, positions = [key.vkey for _, key in keys], [entry["seq"] for entry in entries]
    must({key.name for _, key in keys} == {head.origin}, "a key has another name than the log")
    must(len(set(vkeys)) == len(vkeys), "a key comes back")
    must(grew_from(head), "a checkpoint of another log")
    shown = ", ".join(map(str, positions[:20])) + " …" * (len(positions) > 20)
    yield claim(True, f"{len(positions)} entries ({shown}) are at these positions in the log {head.origin},"
                      f" as they are here: its keys signed each, and the root of its first {head.size}")
    for seq, key in keys[1:]: yield claim(True, f"after entry {seq}, which the key before signed: {key.vkey}")
    must(given.vkey in [None, *vkeys], "the key that you gave was never the log's")
    yield claim(given.vkey, f"the log is of the owner of the key that you were given; now it is {vkeys[-1]}")

    manifest = unjson(files.pop("manifest.json").decode())
    chosen = manifest["chosen"]
    form = {"from", "to"} <= set(chosen) <= {"from", "to", "only"} and type(chosen.get("only", "")) is str
    must(manifest == {"bundle": 1, "chosen": chosen} and form, "manifest.json: another form or version")
    inside = [seq for seq in positions if chosen["from"] <= seq <= chosen["to"]]
    whole = len(inside) == chosen["to"] - chosen["from"] + 1
    must(whole or "only" in chosen, f"an entry is missing of {chosen}")
    must(set(positions) <= {*inside, *dict(keys)}, f"more entries are here than of {chosen}")
    yield claim(whole, f"every entry is here of {chosen}")

    for seq, leaf, path in rows(files.pop("older/proofs", b"")): prove(unjson(seq), unbase64(leaf, 32), path)
    older = ("older/cosigned.checkpoint", "older/stamped.checkpoint")
    notes = {name: read_note(files.pop(name)) for name in older if name in files}
    brought = {path: read_note(path.read_bytes()) for path in given.checkpoint}
    for name, note in {**notes, **brought}.items():
        compared = note.size <= head.size and grew_from(note)  # the key of a larger one need not be here
        must(compared or name in brought, f"{name}: the proof of its last entry is missing")
        if compared: yield claim(True, f"the log has only grown since {name}, of size {note.size}")
        else: yield "NOT DONE", f"{name}, of size {note.size}: ask for a bundle made with it"
    notes["checkpoint"] = head
    for witness in [read_key(vkey, kind=4) for vkey in given.witness]:
        cosigned = [(note, signature) for note in notes.values() for signature in by(witness, note)]
        must(cosigned, f"the witness {witness.name} has cosigned none of the checkpoints here")
        for note, signature in cosigned:
            seconds = int.from_bytes(signature[:8], "big")
            message = f"cosignature/v1\ntime {seconds}\n{note.text}".encode()
            held = 0 < seconds < 2**63 and holds(witness, message, signature[8:])
            must(held, f"the cosignature of {witness.name} does not hold")
            at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(min(seconds, 2**37)))
            yield claim(True, f"the witness {witness.name} saw the first {note.size} entries at {at}")
    if not given.witness: yield claim(False, "everybody is shown the same log: no --witness was named")
    token, stamped = files.pop("older/stamped.tsr", None), notes.get("older/stamped.checkpoint")
    must(token is None or stamped and sha256(stamped.raw) in token, "older/stamped.tsr is over other bytes")
    if not token or not given.tsa_ca: yield claim(False, "when anything was written: --tsa-ca checks a token")
    else:
        command, ca = "ts -verify -in token -data note -CAfile ca", given.tsa_ca.read_bytes()
        must(openssl(command, token=token, note=stamped.raw, ca=ca), "older/stamped.tsr fails under --tsa-ca")
        when = "at the time in older/stamped.tsr (openssl ts -reply -text -in)"
        yield claim(True, f"the first {stamped.size} entries existed {when}")
    for entry, content in [(entry, content) for entry in entries for content in entry.get("content", [])]:
        name = f"{entry['seq']:020}/{content['name']}"
        sealed, released = files.pop(f"sealed/{name}", None), files.pop(f"released/{name}", None)
        if sealed is released is None: continue
        recorded = content["sealed"], content["sealed_bytes"], content["plain_bytes"]
        must(recorded == (sha256(sealed).hex(), len(sealed), len(released)), f"{name}: other bytes")
        yield claim(True, f"sealed/{name} is what was recorded")
        yield claim(False, f"released/{name} is what was sealed: whoever released it says so")
    must(not files, f"nothing says what these files are: {', '.join(files)}")
    yield claim(False, "what the entries say is true: a log proves what was recorded, and in which order")

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--vkey", help="the log's key as it was published elsewhere")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="one that you kept")
    parser.add_argument("--witness", action="append", default=[], help="vkey of one that must have cosigned")
    parser.add_argument("--tsa-ca", type=Path, help="certificates of the time stamping authority, in PEM")
    given = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    try: said = list(check(unzip(given.bundle.read_bytes()), given))
    except OSError as fault: said = [("NOT DONE", fault)]
    except Exception as fault: said = [("WRONG", f"nothing here is proven: {type(fault).__name__}: {fault}")]
    for word, text in said: print(f"{word:<12} {text}")
    return 1 if "WRONG" in dict(said) else 2 if "NOT DONE" in dict(said) else 0

if __name__ == "__main__": sys.exit(main())
