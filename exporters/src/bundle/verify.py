"""Checks an evidence bundle of daicho without daicho:  python3 verify.py BUNDLE.zip --vkey VKEY
Take this file and the vkey from elsewhere than the bundle: what comes with the evidence may be made to lie.
Needs Python 3.9, its package `cryptography` and, for --tsa-ca, the program OpenSSL. FORMAT.md, section 9, has
the rules. Exit code 0: sound, read what is proven; 1: something is wrong; 2: it could not be checked."""
import argparse, base64, datetime, hashlib, io, json, re, subprocess, sys, tempfile, zipfile
from pathlib import Path
def must(so, fault):
    if not so: raise ValueError(fault)
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def unbase64(text, length=None):
    raw = base64.b64decode(text)
    must(length in (None, len(raw)) and base64.b64encode(raw).decode() == text, "base64 in another form")
    return raw
def unzip(path):
    """The files of a zip that is the same when it is written anew: no two readers see two things in it."""
    anew = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(anew, "w") as new:
        must(sum(member.file_size for member in old.infolist()) < path.stat().st_size, "the zip is packed")
        files = {name: old.read(name) for name in sorted(old.namelist())}
        for name, data in files.items(): new.writestr(zipfile.ZipInfo(name), data)
        for member in new.infolist(): member.create_system = 3  # Unix, on whichever system this runs
    must(anew.getvalue() == path.read_bytes(), "the zip is damaged or in another form")
    return files
def root(leaf, seq, size, path):
    """Of an RFC 6962 tree: from the leaf hash of entry `seq` and, at each step up, that of the other half."""
    must(type(seq) is int and 0 <= seq < size and (size > 1) == bool(path), "a path of another length")
    if size == 1: return leaf
    half, *below, other = 1 << (size - 1).bit_length() - 1, *path  # the largest power of two below size
    if seq < half: return sha256(b"\1", root(leaf, seq, half, below), unbase64(other, 32))
    return sha256(b"\1", unbase64(other, 32), root(leaf, seq - half, size - half, below))
def holds(vkey, kind, message, signature):
    """Ed25519 under a C2SP key (kind 1: a log's, 4: a witness's), without cofactor. No point may be of small
    order or encoded in a second way; y8 is that of two of the points of order 8."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    name, id, key = vkey.split("+", 2)
    key = unbase64(key, 33)
    must(id == sha256(name.encode(), b"\n", key)[:4].hex() and key[0] == kind, f"not a sound key: {vkey}")
    p, y8 = 2**255 - 19, 2707385501144840649318225287225658788936804267575313519463743609750303021498
    for y in (int.from_bytes(point, "little") % 2**255 for point in (key[1:], signature[:32])):
        if y >= p or y in (0, 1, p - 1, y8, p - y8): return False
    try: return Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, message) is None
    except Exception: return False
def signatures(vkey, lines):
    """What stands under the name and id of a key in the lines below a C2SP note."""
    name, id, _ = vkey.split("+", 2)
    found = [unbase64(text) for signer, text in re.findall("— (.+) (.+)\n", lines) if signer == name]
    return [raw[4:] for raw in found if raw[:4].hex() == id]
def check(files, given):
    """Says what is proven. What it reads it takes out of `files`."""
    for paper in ("FORMAT.md", "verify.html", "verify.py"): files.pop(paper)
    head, token = files.pop("checkpoint"), files.pop("checkpoint.tsr", None)
    note = re.fullmatch("((.+)\n([1-9][0-9]*)\n(.+)\n)\n((?:— [^\0-\40]+ [^\0-\40]+\n)+)", head.decode())
    must(note, "checkpoint: it is not one")
    text, origin, size, top, signed = note.groups()
    keys, runs, at, leaf, gone, opened = [], [[0, -1]], "", bytes(32), {}, []
    *lines, rest = files.pop("entries").decode().split("\n")
    for line in lines:
        body, signature, *path = line.split("\t")
        entry, before, prev, leaf = json.loads(body), at, leaf.hex(), sha256(b"\0", body.encode())
        must(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) == body, "JSON in another form")
        seq, kind, at = entry["seq"], entry["kind"], entry["at"]
        must(root(leaf, seq, int(size), path) == unbase64(top), f"entry {seq}: its path leads elsewhere")
        must(runs[-1][1] < seq and before <= at, f"entry {seq}: out of order")
        if runs[-1][1] + 1 < seq: runs.append([seq, seq])
        else: must(entry["prev"] == prev, f"entry {seq}: its prev is not the hash of the entry before")
        runs[-1][1] = seq
        if (seq, kind) == (0, "ledger.created"): keys.append(entry["data"]["vkey"])
        must(keys, "entry 0, which names the log's first key, is missing")
        message = f"daicho/entry/v1\n{origin}\n".encode() + leaf
        must(holds(keys[-1], 1, message, unbase64(signature)), f"entry {seq}: its signature does not hold")
        if kind == "key.rotated": keys.append(entry["data"]["vkey"])
        for content in entry.get("content", []):
            name = f"{seq:020}/{content['name']}"
            key = content["bucket"], content.get("subject")
            must(not key[1] or key not in gone, f"entry {seq}: content under a key that is destroyed")
            if f"released/{name}" in files:
                sealed, released = files.pop(f"sealed/{name}"), files.pop(f"released/{name}")
                recorded = content["sealed"], content["sealed_bytes"], content["plain_bytes"]
                must(recorded == (sha256(sealed).hex(), len(sealed), len(released)), f"{name}: other bytes")
                yield f"sealed/{name} is what was recorded"
                opened += [(name, key), (name, (key[0], None))]
        if kind in ("erasure.completed", "retention.expired"):
            gone.setdefault((entry["data"]["bucket"], entry["data"].get("subject")), seq)
    must(rest == "" and not files, f"a file that is cut off or belongs to nothing: {', '.join(files)}")
    for name, key in opened: must(key not in gone, f"{name}: released, and its key is destroyed")
    for key, seq in gone.items(): yield f"entry {seq} says that a key of {key[0]} is destroyed"
    for vkey in keys: must(vkey.startswith(f"{origin}+") and keys.count(vkey) == 1, f"no key of it: {vkey}")
    held = [holds(keys[-1], 1, text.encode(), signature) for signature in signatures(keys[-1], signed)]
    must(held and all(held), "checkpoint: the log's key did not sign it")
    shown = ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in runs)
    yield f"entries {shown} are in the log {origin} as here: its keys signed each, and its first {size}"
    yield f"its keys, each of which the one before signed: {', '.join(keys)}"
    must(given.vkey in [None, *keys], "the key that you gave was never the log's")
    kept = [path.read_bytes() for path in given.checkpoint] or [head]
    must(any(note.startswith(text.encode() + b"\n") for note in kept), "the checkpoint is none that you gave")
    for vkey in given.witness:
        must(signatures(vkey, signed), f"{vkey} has not cosigned the checkpoint")
        for raw in signatures(vkey, signed):
            seconds = int.from_bytes(raw[:8], "big")
            held = holds(vkey, 4, f"cosignature/v1\ntime {seconds}\n{text}".encode(), raw[8:])
            must(seconds and held, f"a cosignature does not hold: {vkey}")
            time = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
            yield f"the witness {vkey} saw the first {size} entries at {time} UTC"
    must(sha256(head) in token if token is not None else not given.tsa_ca, "no time stamp of this checkpoint")
    if given.tsa_ca:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "tsr").write_bytes(token)
            ask = f"openssl ts -verify -in tsr -digest {sha256(head).hex()} -CAfile".split()
            subprocess.run([*ask, given.tsa_ca.resolve(True)], cwd=folder, check=True, capture_output=True)
        yield f"the first {size} entries existed at the time in checkpoint.tsr (openssl ts -reply -text -in)"
parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("bundle", type=Path)
parser.add_argument("--vkey", help="the log's key as it was published elsewhere")
parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="the one that you kept")
parser.add_argument("--witness", action="append", default=[], help="vkey of one that must have cosigned")
parser.add_argument("--tsa-ca", type=Path, help="PEM of the authority whose time stamp must hold")
given = parser.parse_args()
try: code, said = 0, [f"PROVEN       {proven}" for proven in check(unzip(given.bundle), given)]
except (OSError, ImportError) as fault: code, said = 2, [f"NOT DONE     {fault}"]
except Exception as fault: code, said = 1, [f"WRONG        nothing proven: {type(fault).__name__}: {fault}"]
for line in said: print(line.encode("unicode_escape").decode())  # nothing steers the terminal
if code == 0: print("""NOT PROVEN   whose the log is (save by --vkey), that all see the same (--witness),
             when (--tsa-ca); that released/ is what was sealed; that what the entries say is so;
             that no copy is left of a key that was destroyed""")
sys.exit(code)
