"""Runs the tests of policies/ in OPA's own engine, and asks it what packs say to given inputs.

Arguments: the folder of the policies, their data in YAML, a file of questions: JSON lines with `pack` and `input`. Prints
one JSON object: how many tests there are, which of them are not true, and for each question the rules of the pack's sets.
Refuses to pass without tests.
"""

import json
import re
import sys
from pathlib import Path

from opa_bindings import OpaEngine, OpaUndefinedError

SETS = ("grant", "deny", "approval", "obligation")
TEST = re.compile(r"^(test_[a-zA-Z0-9_]*)\b", re.MULTILINE)
PACKAGE = re.compile(r"^package (\S+)", re.MULTILINE)


def document(engine, path, given=None):
    try:
        return engine.eval_document(path, given)
    except OpaUndefinedError:
        return {}


def main():
    folder, data, questions = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    modules = sorted(folder.rglob("*.rego"))
    tests = {}
    with OpaEngine() as engine:
        for module in modules:
            text = module.read_text()
            engine.add_policy(str(module), text)
            found = TEST.findall(text)
            if found:
                tests.setdefault(PACKAGE.search(text).group(1), set()).update(found)
        read = engine.eval_query("x = yaml.unmarshal(input.text)", {"text": data.read_text()})
        engine.add_data(read[0]["x"])
        failed = []
        for package, names in sorted(tests.items()):
            values = document(engine, package)
            failed += [f"{package}.{name}" for name in sorted(names) if values.get(name) is not True]
        answers = []
        for line in questions.read_text().splitlines():
            question = json.loads(line)
            said = document(engine, f"portcullis.packs.{question['pack']}", question["input"])
            answers.append({name: said.get(name, []) for name in SETS})
    count = sum(len(names) for names in tests.values())
    print(json.dumps({"modules": len(modules), "tests": count, "failed": failed, "answers": answers}))


main()
