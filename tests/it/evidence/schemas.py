"""Holds what the gateway hands out against the schemas that others have published.

Arguments: the folder of the schema of HTTP Archives, a folder with `events.jsonl` (OCSF, one event a line), `otlp.jsonl` (one
request a line) and `*.har`, and the times, in seconds, between which everything happened. Prints one JSON object: how many
documents of each kind and class there were, and a problem for each thing that is not as its schema says, with the number of its
document. The schemas of OCSF are those that schema.ocsf.io exports, of the version that an event names. Refuses unknown
attributes, and no more than that is asked: nothing is made right before it is looked at.
"""

import json
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

from google.protobuf import json_format
from jsonschema import Draft6Validator, Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT6

# A severity of OCSF, and the range of OpenTelemetry's numbers that it belongs in.
SEVERITIES = {1: range(9, 11), 2: range(11, 13), 3: range(13, 17), 4: range(17, 20), 5: range(20, 21), 6: range(21, 25)}


@lru_cache
def published(version):
    return get_ocsf_schema(version)


@lru_cache
def validator(version, name, profiles):
    schema = OcsfJsonSchemaEmbedded(published(version)).get_class_schema(name, list(profiles))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def at(error):
    return "/" + "/".join(str(part) for part in error.absolute_path)


def walked(version, attributes, value, where):
    """What a JSON Schema does not say: deprecated attributes, and names that are not those of their numbers."""
    for name, found in value.items():
        known = attributes.get(name)
        if known is None:
            continue
        if "@deprecated" in known:
            yield f"{where}/{name}: is deprecated"
        sibling, enum = known.get("sibling"), known.get("enum")
        # 99 is another one, which has a name of its own.
        if enum and sibling in value and found != 99 and str(found) in enum:
            caption = enum[str(found)]["caption"]
            if value[sibling] != caption:
                yield f"{where}/{sibling}: {value[sibling]!r} is not {caption!r}, the name of {found}"
        if known["type"] == "object_t":
            inner = published(version)["objects"][known["object_type"]]["attributes"]
            for item in found if isinstance(found, list) else [found]:
                if isinstance(item, dict):
                    yield from walked(version, inner, item, f"{where}/{name}")


def of_ocsf(event, since, until):
    version = event["metadata"]["version"]
    classes = published(version)["classes"].values()
    of = [c for c in classes if c["uid"] == event["class_uid"]]
    if len(of) != 1:
        yield f"/class_uid: there is no class {event['class_uid']}"
        return
    profiles = event["metadata"].get("profiles", [])
    for profile in profiles:
        if profile not in of[0]["profiles"]:
            yield f"/metadata/profiles: {of[0]['name']} has no profile {profile}"
    found = validator(version, of[0]["name"], tuple(profiles)).iter_errors(event)
    yield from (f"{at(error)}: {error.message}" for error in found)
    yield from walked(version, of[0]["attributes"], event, "")
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        yield "/type_uid: is not of its class and activity"
    times = [event["time"], event.get("actor", {}).get("session", {}).get("created_time", event["time"])]
    if not all(since * 1000 <= time <= until * 1000 for time in times):
        yield f"/time: {times} are not of the time in which it happened"


def of_otlp(line, since, until):
    # Unknown members are refused, and so is what is of another type than the protocol says.
    request = json_format.Parse(line, ExportLogsServiceRequest(), ignore_unknown_fields=False)
    records = [r for logs in request.resource_logs for scope in logs.scope_logs for r in scope.log_records]
    if not records:
        yield "there is no record"
    for logs in request.resource_logs:
        names = {a.key: a.value.string_value for a in logs.resource.attributes}
        if not names.get("service.name") or not names.get("service.instance.id"):
            yield f"resource: no name of a service and its instance in {names}"
    for record in records:
        name = SeverityNumber.Name(record.severity_number)
        if name != f"SEVERITY_NUMBER_{record.severity_text}" or record.severity_number == 0:
            yield f"severity: {record.severity_number} is {name}, not {record.severity_text}"
        seconds = [record.time_unix_nano / 1e9, record.observed_time_unix_nano / 1e9]
        if not since <= seconds[0] <= seconds[1] <= until:
            yield f"time: {seconds} are not of the time in which it happened"
        keys = [attribute.key for attribute in record.attributes]
        if len(set(keys)) != len(keys) or not all(keys):
            yield f"attributes: keys are not of one each: {keys}"
        for attribute in record.attributes:
            if not attribute.value.string_value:
                yield f"attributes: {attribute.key} says nothing"
        if not record.event_name.startswith("ocsf."):
            yield f"event_name: {record.event_name!r}"
        event = json.loads(record.body.string_value)
        yield from of_ocsf(event, since, until)
        if record.severity_number not in SEVERITIES.get(event["severity_id"], ()):
            yield f"severity: {record.severity_number} of an event of {event['severity_id']}"
        if record.time_unix_nano // 1_000_000 != event["time"]:
            yield "time: the event says another one"


def archives(folder):
    folder = folder / "node_modules/har-schema/lib"
    schemas = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    registry = Registry().with_resources(
        (name, Resource.from_contents(schema, default_specification=DRAFT6)) for name, schema in schemas.items()
    )
    return Draft6Validator(schemas["har.json"], registry=registry, format_checker=Draft6Validator.FORMAT_CHECKER)


def of_har(har, schema):
    found = list(schema.iter_errors(har))
    yield from (f"{at(error)}: {error.message}" for error in found)
    if found:
        return
    if har["log"]["version"] != "1.2":
        yield "/log/version: is not 1.2"
    # The schema writes `min` where JSON Schema has `minimum`, and cannot say what excludes each other.
    for number, entry in enumerate(har["log"]["entries"]):
        timings = sum(t for t in entry["timings"].values() if isinstance(t, (int, float)) and t != -1)
        if entry["time"] < 0 or abs(entry["time"] - timings) > 0.01:
            yield f"/log/entries/{number}/time: {entry['time']} is not the sum of {timings}"
        posted = entry["request"].get("postData", {})
        if "text" in posted and "params" in posted:
            yield f"/log/entries/{number}/request/postData: has both text and params"


def main():
    schema, folder = archives(Path(sys.argv[1])), Path(sys.argv[2])
    since, until = float(sys.argv[3]), float(sys.argv[4])
    counts, problems = Counter(), []

    def held(kind, number, check):
        counts[kind] += 1
        try:
            problems.extend({"kind": kind, "number": number, "what": what[:2000]} for what in check)
        except (json_format.ParseError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            what = f"cannot be read: {type(error).__name__}: {error}"
            problems.append({"kind": kind, "number": number, "what": what[:2000]})

    def lines(name):
        file = folder / name
        text = file.read_text().split("\n") if file.is_file() else []
        return enumerate(line for line in text if line)

    for number, line in lines("events.jsonl"):
        event = json.loads(line)
        counts[str(event.get("type_uid"))] += 1
        held("ocsf", number, of_ocsf(event, since, until))
    for number, line in lines("otlp.jsonl"):
        held("otlp", number, of_otlp(line, since, until))
    for number, file in enumerate(sorted(folder.glob("*.har"))):
        held("har", number, of_har(json.loads(file.read_text()), schema))
    print(json.dumps({"counts": counts, "problems": problems}))


main()
