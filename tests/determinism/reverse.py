#!/usr/bin/env python3
"""The order in which objects are written is no input: with all documents in reverse order every flow ends the same way,
on the same server, with the same rewrites.

Usage: reverse.py SVCSIM"""

import glob
import json
import re
import subprocess
import sys
import tempfile


def documents(path):
    """The documents of a scenario and of what it includes, the Scenario's own without its includes last."""
    folder = path.rsplit("/", 1)[0]
    included, own = [], []
    for document in re.split(r"(?m)^---$", open(path).read()):
        if "kind: Scenario" not in document:
            own.append(document)
            continue
        for name in re.findall(r"manifests/[\w-]+\.yaml", document.split("include:", 1)[1].split("steps:", 1)[0]):
            included += re.split(r"(?m)^---$", open(folder + "/" + name).read())
        own.append(re.sub(r"(?ms)^  include:.*?(?=^  steps:)", "", document))
    return included + own


def outcomes(svcsim, texts):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("\n---\n".join(texts))
        file.flush()
        done = subprocess.run([svcsim, "run", file.name, "-o", "json"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return {flow["name"]: (flow["outcome"], flow["server"], flow["dnat"], flow["snat"], flow["nodes"])
            for flow in json.loads(done.stdout)["flows"]}


def main():
    passed, failed = 0, 0
    for path in sorted(glob.glob("scenarios/article/*.yaml")):
        texts = documents(path)
        forward, backward = outcomes(sys.argv[1], texts), outcomes(sys.argv[1], texts[::-1])
        if forward == backward and forward:
            passed += 1
            continue
        failed += 1
        print("FAIL %s: another outcome with its objects in reverse order:" % path)
        for name in forward:
            if forward[name] != backward.get(name):
                print("  %s: %s\n      %s" % (name, forward[name], backward.get(name)))
                break
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
