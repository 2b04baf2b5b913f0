#!/usr/bin/env python3
"""Turns each expectation of the article's scenarios into its opposite, one field at a time: the run must then exit with
status 1 and explain itself, naming a rule where one had a hand in the flow.

Usage: flip.py SVCSIM [SUBSTRING OF SCENARIO]"""

import concurrent.futures
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

FOLDER = "scenarios/article"
SELECTORS = ("flow", "load", "resolve", "object", "probe", "at", "during", "after", "before")


def parse(text):
    """A mapping in flow style, as the scenarios write them: values are text, lists or mappings of such."""
    tokens = re.findall(r'"[^"]*"|[{}\[\],]|:(?=\s|$)|(?:[^\s{}\[\],:]|:(?!\s))+(?: +(?![{\[,]) *(?:[^\s{}\[\],:]|:(?!\s))+)*', text)
    value, rest = parse_value(tokens)
    assert not rest, rest
    return value


def parse_value(tokens):
    head, rest = tokens[0], tokens[1:]
    if head == "{":
        value = {}
        while rest[0] != "}":
            key = rest[0].strip('"')
            assert rest[1] == ":", rest
            value[key], rest = parse_value(rest[2:])
            rest = rest[1:] if rest[0] == "," else rest
        return value, rest[1:]
    if head == "[":
        value = []
        while rest[0] != "]":
            item, rest = parse_value(rest)
            value.append(item)
            rest = rest[1:] if rest[0] == "," else rest
        return value, rest[1:]
    return head, rest


def write(value):
    if isinstance(value, dict):
        return "{" + ", ".join("%s: %s" % (json.dumps(k), write(v)) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(write(v) for v in value) + "]"
    return value


def opposite(field, value):
    if isinstance(value, dict):
        if "min" in value or "max" in value:
            return {"min": "99999"}
        return {k: opposite(field, v) for k, v in value.items()}
    if isinstance(value, list):
        return ['"192.0.2.99"'] + value[1:] if field == "addresses" else ['"nobody"'] + value[1:]
    if value in ("true", "false"):
        return "false" if value == "true" else "true"
    if field == "outcome":
        return "refused" if value == "connected" else "connected"
    if value == "null":
        return '"somebody"'
    if re.fullmatch(r"[<>]=?[\d.]+", value.strip('"')):
        return "-1" if value.strip('"')[0] == "<" else '"<0"'
    if re.fullmatch(r"\d+", value):
        return str(int(value) + 1)
    return '"nothing-like-it"'


def cases(path):
    """(line number, name of the flows concerned, field, text of the flipped file)."""
    lines = open(path).read().replace("manifests/", os.path.abspath(FOLDER) + "/manifests/").split("\n")
    begin = next(i for i, line in enumerate(lines) if line.strip() == "expect:")
    for i in range(begin + 1, len(lines)):
        if not lines[i].strip().startswith("- "):
            break
        indent, text = lines[i].split("- ", 1)
        expectation = parse(text)
        for field in expectation:
            if field in SELECTORS:
                continue
            flipped = dict(expectation)
            flipped[field] = opposite(field, expectation[field])
            changed = lines[:i] + [indent + "- " + write(flipped)] + lines[i + 1:]
            name = next(expectation[kind] for kind in SELECTORS if kind in expectation)
            yield i + 1, name.strip('"'), field, "\n".join(changed)


def check(svcsim, path, line, name, field, text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([svcsim, "run", file.name, "-o", "json"], capture_output=True, text=True)
    where = "%s:%d: %s flipped: " % (path, line, field)
    if done.returncode != 1:
        return where + "exit status %d %s" % (done.returncode, done.stderr[:500])
    failures = [e for e in json.loads(done.stdout)["expectations"] if not e["ok"]]
    if len(failures) != 1:
        return where + "%d expectations failed, not 1" % len(failures)
    why = failures[0]["why"]
    rules = rules_of(json.loads(done.stdout)["flows"], name)
    if rules and not any(rule in why for rule in rules):
        return where + "the explanation names none of %s: %s" % (", ".join(sorted(rules)), why)
    return None


def rules_of(flows, name):
    """Names of the chains that had a hand in the flows (or the load) of that name."""
    rules = set()
    for flow in flows:
        if fnmatch.fnmatch(flow["name"], name) or flow["name"].startswith(name + "#"):
            hands = [r.get("rule") for r in flow["dnat"] + flow["snat"]] + [d["rule"] for d in flow["drops"]]
            rules.update(re.findall(r"KUBE-[A-Z0-9-]+", " ".join(filter(None, hands))))
    return rules


def main():
    svcsim = sys.argv[1]
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    todo = [(svcsim, path) + case for path in sorted(glob.glob(FOLDER + "/*.yaml")) if wanted in path
            for case in cases(path)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = [error for error in pool.map(lambda args: check(*args), todo) if error]
    for error in errors:
        print("FAIL " + error)
    print("%d passed, %d failed, 0 skipped" % (len(todo) - len(errors), len(errors)))
    return 1 if errors or not todo else 0


sys.exit(main())
