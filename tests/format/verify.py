#!/usr/bin/env python3
"""A second verifier of daicho's log, written from ledger/FORMAT.md and nothing else.

    verify.py DATA_DIR [--vkey VKEY] [--checkpoint FILE]...

Prints one JSON report. Exit code 0: sound; 1: the report has findings; 2: no log there.
Needs the package `cryptography` for Ed25519, no secret and no network. Left to a reader with
the schemas at hand: whether `data` is what its kind allows. OpenSSL refuses a non-canonical S
and R as FORMAT.md asks; of small-order keys only the ones that encode y = 0, 1 are refused.
What is inside a time stamp is left to `openssl ts -verify`, as FORMAT.md shows.
"""
import argparse, base64, hashlib, json, re, struct, sys
from datetime import datetime, timedelta
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEYS = ["v", "seq", "at", "id", "kind", "class", "actor", "session", "occurred", "data", "content", "prev"]
OPTIONAL = {"session", "occurred", "content"}
REFERENCE = ["name", "media", "bucket", "sealed", "sealed_bytes", "plain_bytes", "subject"]


def sha256(data): return hashlib.sha256(data).digest()


def unbase64(text):
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw) != (text.encode() if isinstance(text, str) else text):
        raise ValueError("not canonical base64")
    return raw


class Key:
    """A C2SP verifier key, and what it signs."""

    def __init__(self, vkey):
        self.text = vkey
        self.origin, keyid, material = vkey.split("+", 2)
        raw = unbase64(material)
        self.id = sha256(self.origin.encode() + b"\n" + raw)[:4]
        if raw[0] != 1 or len(raw) != 33 or self.id.hex() != keyid or not any(raw[2:32]):
            raise ValueError("not a sound Ed25519 vkey")
        self.public = Ed25519PublicKey.from_public_bytes(raw[1:])

    def holds(self, signature, message):
        try:
            self.public.verify(signature, message)
            return True
        except InvalidSignature:
            return False

    def open(self, note):
        """Size and root of a signed checkpoint; ValueError when it is not one of this log."""
        text, _, signatures = note.decode().rpartition("\n\n")
        origin, size, root = (text + "\n").split("\n")[:3]
        mine = f"— {self.origin} "
        signed = [unbase64(l[len(mine):]) for l in signatures.splitlines() if l.startswith(mine)]
        signed = [s[4:] for s in signed if s[:4] == self.id]
        if origin != self.origin or str(int(size)) != size or not signed:
            raise ValueError("not a checkpoint of this log")
        if not all(self.holds(s, (text + "\n").encode()) for s in signed):
            raise ValueError("its signature does not hold")
        return int(size), unbase64(root)


class Tree:
    """RFC 6962 over a stream of leaves: the roots of the perfect subtrees so far."""

    def __init__(self): self.size, self.peaks = 0, []

    def push(self, leaf):
        self.size += 1
        for _ in range((self.size & -self.size).bit_length() - 1):
            leaf = sha256(b"\1" + self.peaks.pop() + leaf)
        self.peaks.append(leaf)

    def root(self):
        if not self.peaks: return sha256(b"")
        *left, root = self.peaks
        for peak in reversed(left): root = sha256(b"\1" + peak + root)
        return root


def stated_end(after, path):
    """Where the entries of a file end, if the next file's first entry states it."""
    try:
        body = json.loads(after.read_bytes().split(b"\n", 1)[0].split(b"\t", 1)[0])
        kind, file, offset = body["kind"], body["data"]["file"], body["data"]["offset"]
    except (ValueError, KeyError, TypeError): return None
    stated = kind == "ledger.recovered" and file == f"log/{path.name}" and type(offset) is int and offset >= 0
    return offset if stated else None


def number(data, at):
    """The LEB128 number at a place, in the fewest bytes, and where it ends."""
    value, shift = 0, 0
    while True:
        byte, at = data[at], at + 1
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128 or shift == 63: break
    if byte >= 128 or (byte == 0 and shift > 7): raise ValueError("not a number")
    return value, at


def frames(pack, at):
    """What a pack holds: base digest, beside digest and box of each frame, up to one that is cut off or none."""
    digests = []

    def named():
        nonlocal at
        n, at = number(pack, at)
        if n == 0: return bytes(32)
        if n > 1:
            if n - 1 > len(digests): raise ValueError("no such frame")
            return digests[1 - n]
        digest, at = pack[at:at + 32], at + 32
        if len(digest) < 32 or not any(digest): raise ValueError("not a digest")
        return digest

    while at < len(pack):
        try:
            length, at = number(pack, at)
            base, beside = named(), named()
        except (ValueError, IndexError): return
        box, at = pack[at:at + length], at + length
        if length < 16 or len(box) < length: return
        digests.append(sha256(base + beside + box))
        yield base, beside, box


def due(bucket, period):
    """When a bucket of this period may end, as text that sorts as time does; later than any where it never does."""
    if period == "forever": return "~"
    year, month = (int(part) for part in bucket.split("/")[1].split("-"))
    count, unit = int(period[1:-1]), period[-1]
    month += 1 + {"D": 0, "M": count, "Y": 12 * count}[unit]
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    end = datetime(min(year, 9999), month, 1) + timedelta(days=count if unit == "D" else 0)
    return f"{end:%Y-%m-%dT%H:%M:%S.%fZ}"


def pairs(keys): return [(key["bucket"], key["subject"]) for key in keys]


class Buckets:
    """What entries say of buckets, holds and erasures (§7)."""

    def __init__(self):
        self.periods, self.duties, self.buckets, self.holds, self.persons, self.requests, self.asked = {}, {}, {}, {}, {}, {}, {}

    def entry(self, seq, body, wrong):
        data, kind, references = body["data"], body["kind"], body.get("content", [])
        if kind == "retention.expired": self.expired(body, data, wrong)
        if kind == "erasure.completed": self.erased((seq, body["id"]), data, wrong)
        if kind == "erasure.requested": self.requests.setdefault(data["erasure"], {"keys": pairs(data["keys"]), "later": data.get("later", False), "from": data.get("reached"), "seq": seq, "more": set(), "begun": False})
        if kind == "erasure.extended": self.extended(data, wrong)
        if kind in ("erasure.completed", "erasure.refused") and data["erasure"] in self.requests: self.requests[data["erasure"]]["begun"] = True
        if kind == "approval.requested": self.asked.setdefault(data["approval"], (data["subject"], data.get("base_sha256")))
        for ref in references:
            name = ref["bucket"]
            period = self.periods.get(name.split("/")[0])
            new = {"period": period, "entries": set(), "sealed": {}, "ended": False, "subjects": {}}
            bucket = self.buckets.setdefault(name, new)
            bucket["entries"].add(seq)
            _, subject = bucket["sealed"].setdefault(ref["sealed"], (ref["sealed_bytes"], ref.get("subject")))
            if subject != ref.get("subject"): wrong()
            if "subject" in ref:
                owned = bucket["subjects"].setdefault(ref["subject"], {"first": seq, "entries": set(), "erased": False})
                owned["entries"].add(seq)
                if owned["erased"]: wrong()
        for scope, held in (hold for hold in self.holds.values() if hold):
            if self.covers(scope, body): held.update(ref["bucket"] for ref in references if scope.get("bucket", ref["bucket"]) == ref["bucket"])
        if kind in ("agent.registered", "agent.updated") and "person" in data:
            self.persons.setdefault(f"agent:{data['agent']}", set()).add(data["person"])
        if kind == "policy.adopted" and data["policy"] == "retention" and "periods" in data:
            self.periods, self.duties = data["periods"], data.get("must_keep", {})
            for name, bucket in self.buckets.items(): bucket["period"] = bucket["period"] or self.periods.get(name.split("/")[0])
        if kind == "retention.extended" and (bucket := self.buckets.get(data["bucket"])) and bucket["period"] and not bucket["ended"]:
            if due(data["bucket"], data["period"]) > due(data["bucket"], bucket["period"]): bucket["period"] = data["period"]
        if kind == "hold.placed": self.holds.setdefault(data["hold"], (data["scope"], set(data["buckets"])))
        if kind == "hold.released" and data["hold"] in self.holds: self.holds[data["hold"]] = None

    def covers(self, scope, body):
        person, actor = scope.get("person"), body["actor"]
        return (
            all(scope[key] == body.get(key) for key in ("session", "actor", "kind", "class") if key in scope)
            and scope.get("since", "") <= body["at"] < scope.get("until", "~")
            and (person is None or actor == f"user:{person}" or person in self.persons.get(actor, ()))
        )

    def expired(self, body, data, wrong):
        name, bucket = data["bucket"], self.buckets.get(data["bucket"])
        if not bucket: return wrong()
        ends = due(name, bucket["period"] or "forever")
        sound = self.tallies(data, bucket["entries"], bucket["sealed"])
        if bucket["ended"] or self.held(name) or ends > body["at"] or data["due"] != ends or data["period"] != bucket["period"] or not sound: wrong()
        bucket["ended"] = True

    def extended(self, data, wrong):
        """What came after a request is reached where it asks for that, until something was done on it."""
        request, keys = self.requests.get(data["erasure"]), pairs(data["keys"])
        firsts = [self.buckets.get(name, {"subjects": {}})["subjects"].get(subject, {"first": -1})["first"] for name, subject in keys]
        if request and request["later"] and not request["begun"] and all((request["seq"] + 1 if request["from"] is None else request["from"]) <= first for first in firsts): request["more"].update(keys)
        elif keys: wrong()

    def signed(self, approval, erasure):
        """Is this what was asked to be decided on, for exactly the keys that the request names?"""
        subject, keys = self.asked.get(approval, ({}, None))
        request = self.requests.get(erasure, {"keys": [], "later": False})
        later = "later\n" if request.get("from") is None else f"later {request['from']}\n"
        named = "".join(f"{bucket} {key}\n" for bucket, key in request["keys"]) + later * request["later"]
        return subject.get("kind") == "erasure" and subject["id"] == erasure and keys == sha256(named.encode()).hex()

    def erased(self, certificate, data, wrong):
        name, subject = data["bucket"], data["subject"]
        bucket, request = self.buckets.get(name), self.requests.get(data["erasure"], {"keys": [], "more": []})
        asked = (name, subject) in [*request["keys"], *request["more"]]
        if not bucket: return wrong()
        owned = bucket["subjects"].setdefault(subject, {"first": None, "entries": set(), "erased": False})
        sealed = {digest: stated for digest, stated in bucket["sealed"].items() if stated[1] == subject}
        sound = self.tallies(data, owned["entries"], sealed)
        signed = any(self.signed(approval, data["erasure"]) for approval in data["approvals"])
        if not asked or not signed or bucket["ended"] or owned["erased"] or self.held(name) or name.split("/")[0] in self.duties or not sound: wrong()
        owned["erased"] = owned["erased"] or certificate

    def held(self, name): return any(name in hold[1] for hold in self.holds.values() if hold)

    def tallies(self, data, entries, sealed):
        digests = sorted(bytes.fromhex(digest) for digest in sealed)
        is_so = [len(entries), len(digests), sum(size for size, _ in sealed.values()), sha256(b"".join(digests)).hex()]
        return is_so == [data[key] for key in ("entries", "contents", "sealed_bytes", "content_sha256")]


class Log:
    def __init__(self, data, vkey, checkpoints):
        self.data, self.found, self.leaves, self.promises = data, [], [], []
        self.references, self.opened, self.ended, self.seen, self.contents = {}, {}, {}, {}, 0
        self.buckets = Buckets()
        files = sorted((data / "log").iterdir())
        created = json.loads(files[0].read_bytes().split(b"\t", 1)[0])["data"]
        # Each with the first position that it signs; None after an entry that names no sound key.
        self.keys = [(0, Key(created["vkey"]))]
        self.origin, self.signed = self.keys[0][1].origin, set()
        cosigned = data / "checkpoint.cosigned"
        own = [data / "checkpoint", *([cosigned] if cosigned.exists() else [])]
        stamped = [path for path in sorted((data / "tokens").glob("*.checkpoint")) if path.with_suffix(".tsr").exists()]
        for path in [*own, *stamped, *checkpoints]:
            try: self.promise(path.read_bytes(), None, path)
            except (OSError, ValueError): self.wrong("checkpoint", None, path)
        self.seq, self.prev, self.at, tail = 0, bytes(32), "", None
        for path, after in zip(files, files[1:] + [None]):
            if after and after.name == "new": after = None
            if not re.fullmatch(r"\d{20}\.ndjson", path.name):
                if path.name != "new": self.wrong("file-name", None, path)
                continue
            if path.name != f"{self.seq:020}.ndjson": self.wrong("file-name", None, path)
            raw, end = path.read_bytes(), None
            if after: end = stated_end(after, path)
            elif hole := self.hole(raw): end = hole
            *lines, rest = raw[:end].split(b"\n")
            if end is not None: rest += raw[end:]
            if not lines: self.wrong("file-name", None, path)
            for line in lines:
                self.entry(line, tail)
                tail = None
            if rest:
                offset = sum(len(line) + 1 for line in lines)
                tail = {"file": f"log/{path.name}", "offset": offset, "tail_bytes": len(rest), "tail_sha256": sha256(rest).hex()}
        for path in (data / "tokens").glob("*.tsr"):
            if not path.with_suffix(".checkpoint").exists(): self.wrong("token", None, path)
        self.check_promises()
        self.check_contents()
        # A key that is only named, and has signed nothing here, vouches for nothing.
        if vkey and vkey not in self.signed:
            first = next((first for first, key in self.keys if key and key.text == vkey), 1)
            self.wrong("key", first - 1)

    def key_at(self, position): return [key for first, key in self.keys if first <= position][-1]

    def promise(self, note, seq, path):
        """Keeps a checkpoint until it is known which key is in force at the size that it claims."""
        size = note.decode().split("\n")[1]
        if str(int(size)) != size: raise ValueError("not a checkpoint")
        self.promises.append((int(size), note, seq, path))

    def rotate(self, seq, vkey):
        key = None
        if self.keys[-1][1]:
            try: key = Key(vkey)
            except ValueError: pass
            if not key or key.origin != self.origin or vkey in [k.text for _, k in self.keys]:
                key = self.wrong("key", seq)
        self.keys.append((seq + 1, key))

    def hole(self, raw):
        """Where the last file's first line with a NUL begins, if no checkpoint covers it."""
        if (nul := raw.find(0)) < 0 or raw.find(b"\n", nul) < 0: return None
        covered = max((size for size, *_ in self.promises), default=0)
        start = raw.rfind(b"\n", 0, nul) + 1
        return start if self.seq + raw.count(b"\n", 0, start) >= covered else None

    def wrong(self, check, seq, path=None):
        self.found.append({"check": check, "seq": seq, "file": path and str(path.relative_to(self.data) if path.is_relative_to(self.data) else path)})

    def entry(self, line, tail):
        raw, tab, signature = line.partition(b"\t")
        place, leaf = self.seq, sha256(b"\0" + (raw if tab else line))
        try:
            signature = unbase64(signature) if tab else b""
            if len(signature) != 64: raise ValueError("not a signature")
        except ValueError:
            return self.unread("line", leaf, tail)
        try:
            body = json.loads(raw.decode())
            again = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            keys = [k for k in KEYS if k in body or k not in OPTIONAL]
            if again != raw or list(body) != keys or body["v"] != 1 or body.get("content") == [] or len(raw) > 65535:
                raise ValueError("not the one form of a body")
            if f"{datetime.strptime(body['at'], '%Y-%m-%dT%H:%M:%S.%fZ'):%Y-%m-%dT%H:%M:%S.%fZ}" != body["at"]: raise ValueError("not a time")
            if not re.fullmatch("[0-9a-f]{64}", body["prev"]): raise ValueError("not a hash")
            for ref in body.get("content", []):
                if list(ref) != REFERENCE[:len(ref)] or len(ref) < 6 or not re.fullmatch("[0-9a-f]{32}", ref.get("subject", "0" * 32)): raise ValueError("not a content reference")
            seq, data, kind = int(body["seq"]), body["data"], body["kind"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.unread("body", leaf, tail)
        if seq != place: self.wrong("seq", place)
        if body["prev"] != self.prev.hex(): self.wrong("chain", seq)
        if body["at"] < self.at: self.wrong("time", seq)
        key = self.keys[-1][1]
        held = not key or key.holds(signature, b"daicho/entry/v1\n" + self.origin.encode() + b"\n" + leaf)
        if not held: self.wrong("signature", seq)
        elif key: self.signed.add(key.text)
        if kind == "key.rotated" and held: self.rotate(seq, data["vkey"])
        if (tail is not None) != (kind == "ledger.recovered") or (tail and data != tail): self.wrong("tail", place if tail else seq)
        if kind == "ledger.checkpoint":
            note = f"{self.origin}\n{data['size']}\n{base64.b64encode(bytes.fromhex(data['root'])).decode()}\n\n— {self.origin} {data['signature']}\n"
            try: self.promise(note.encode(), seq, None)
            except ValueError: self.wrong("checkpoint", seq)
        if kind == "checkpoint.timestamped":
            path = self.data / "tokens" / f"{data['size']:020}.tsr"
            if not path.exists() or sha256(path.read_bytes()).hex() != data["token"]: self.wrong("token", seq, path)
        self.buckets.entry(seq, body, lambda: self.wrong("retention", seq))
        if kind == "retention.expired": self.ended.setdefault(data["bucket"], (seq, body["id"]))
        for ref in body.get("content", []):
            self.opened.setdefault(ref["bucket"], seq)
            self.references.setdefault((ref["bucket"], ref["sealed"]), (ref["sealed_bytes"], seq))
        self.leaves.append(leaf)
        self.prev, self.at, self.seq = leaf, max(self.at, body["at"]), seq + 1

    def unread(self, check, leaf, tail):
        self.wrong(check, self.seq)
        if tail: self.wrong("tail", self.seq)
        self.leaves.append(leaf)
        self.prev, self.seq = leaf, self.seq + 1

    def check_promises(self):
        tree, waiting = Tree(), sorted(self.promises, key=lambda promise: promise[0])
        for leaf in [None, *self.leaves]:
            if leaf: tree.push(leaf)
            while waiting and waiting[0][0] == tree.size:
                size, note, seq, path = waiting.pop(0)
                key = self.key_at(size)
                try:
                    if key.open(note)[1] == tree.root(): self.signed.add(key.text)
                    else: self.wrong("root", seq, path)
                except (ValueError, AttributeError):
                    if key or path: self.wrong("checkpoint", seq, path)
        for _, _, seq, path in waiting: self.wrong("size", seq, path)
        self.root = tree.root()

    def check_contents(self):
        for path in sorted((self.data / "content").glob("*/*/*")):
            bucket, pack = "/".join(path.parts[-3:-1]), path.read_bytes()
            header, seen = f"daicho/pack/v1 {bucket} {path.stem}\n".encode(), self.seen.setdefault(bucket, set())
            head, missing = pack[:len(header)], len(self.references)
            for base, beside, box in frames(pack, len(header)):
                sealed = base + beside + box
                digest = sha256(sealed)
                if digest in seen: self.wrong("content", None, path)
                elif self.references.pop((bucket, digest.hex()), (len(sealed), 0))[0] != len(sealed): self.wrong("content", None, path)
                seen.add(digest)
                self.contents += 1
            torn = 0 in head and len(self.references) == missing
            if not torn and not header.startswith(head): self.wrong("file-name", None, path)
        for (bucket, _), (_, seq) in self.references.items():
            if bucket not in self.ended: self.wrong("content", seq)
        keys = self.data / "keys"
        has_keys = (keys / "ledger.key").exists()
        for bucket, seq in self.opened.items():
            key = keys / "content" / f"{bucket}.key"
            if bucket in self.ended:
                self.check_destroyed(key, ".ending", *self.ended[bucket])
                continue
            if has_keys and not key.exists(): self.wrong("content", seq)
            for subject, owned in self.buckets.buckets[bucket]["subjects"].items():
                key = keys / "content" / bucket / f"{subject}.key"
                if owned["erased"]: self.check_destroyed(key, ".erasing", *owned["erased"])
                elif has_keys and not key.exists(): self.wrong("content", owned["first"])

    def check_destroyed(self, key, suffix, seq, certificate):
        marker = key.with_suffix(suffix)
        under_way = marker.exists() and marker.read_text(errors="replace").strip() == certificate
        if key.exists() and not under_way: self.wrong("erasure", seq)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--vkey")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[])
    args = parser.parse_args()
    try: log = Log(args.data, args.vkey, args.checkpoint)
    except (OSError, ValueError, KeyError, IndexError) as fault:
        print(f"error: {args.data} holds no log that can be read: {fault}", file=sys.stderr)
        return 2
    print(json.dumps({"origin": log.origin, "entries": len(log.leaves), "root": log.root.hex(), "contents": log.contents, "findings": log.found}))
    return 1 if log.found else 0


if __name__ == "__main__":
    sys.exit(main())
