#!/bin/bash
# Bad input: every fault reported, exit status 2, no output folder; and limits that end with a message.
set -u
cd "$(dirname "$0")/../.."
SVCSIM=${SVCSIM:-$PWD/build/svcsim}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# verdict NAME CONDITION...
verdict() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $name"; fi
}
# gives STATUS PATTERN COMMAND...: exit status, and a line of stderr (PATTERN - : none wanted)
gives() {
    local want=$1 pattern=$2 status
    shift 2
    "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    [ $status -eq "$want" ] || { echo "  exit status $status, want $want: $*"; head -n 3 "$dir/err"; return 1; }
    [ "$pattern" = - ] || grep -qE -- "$pattern" "$dir/err" || { echo "  no \"$pattern\" in:"; head -n 6 "$dir/err"; return 1; }
}
same_faults() { diff <(grep -E ': (error|warning):' "$1") <(grep -E ': (error|warning):' "$2") | head -n 10; [ "${PIPESTATUS[0]}" -eq 0 ]; }

for file in tests/corpus/errors/*.yaml; do
    expected=${file%.yaml}.expected
    verdict "check $file" gives 2 - "$SVCSIM" check "$file"
    cp "$dir/err" "$dir/faults"
    [ -e "$expected" ] && verdict "all faults of $file" same_faults "$dir/faults" "$expected"
    [ "$file" != tests/corpus/errors/thirty-faults.yaml ] ||
        verdict "thirty faults and more" [ "$(grep -c ': error:' "$dir/faults")" -ge 30 ]
    verdict "places, carets and a count in $file" grep -qE '^ +\| .*\^' "$dir/faults"
    verdict "run $file" gives 2 - "$SVCSIM" run "$file" --out "$dir/never"
    verdict "no output of $file" [ ! -e "$dir/never" ]
    verdict "nothing on stdout of $file" [ ! -s "$dir/out" ]
done

article=scenarios/article/04-service.yaml
verdict "no such file" gives 2 "No such file" "$SVCSIM" run "$dir/nothing.yaml"
verdict "no file" gives 2 "no input file" "$SVCSIM" run
verdict "no such command" gives 2 "did you mean.*run" "$SVCSIM" rum "$article"
verdict "no such option" gives 2 "did you mean --out" "$SVCSIM" run "$article" --oot x
verdict "no such node" gives 2 "minikube-m09" "$SVCSIM" rules "$article" --node minikube-m09
verdict "no such format" gives 2 "text, json" "$SVCSIM" run "$article" --format xml
verdict "a folder that cannot be made" gives 2 "cannot make the folder" "$SVCSIM" run "$article" --out /dev/null/x
verdict "help" gives 0 - "$SVCSIM" --help
verdict "standard input" gives 0 - bash -c "cat scenarios/article/manifests/backend.yaml | '$SVCSIM' check -"

# Limits
python3 - "$dir" <<'P'
import sys
d = sys.argv[1]
open(d + "/deep.yaml", "w").write("kind: " + "[" * 10000 + "]" * 10000 + "\n")
bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
for i in range(1, 12):
    bomb += "a%d: &a%d [%s]\n" % (i, i, ", ".join(["*a%d" % (i - 1)] * 10))
open(d + "/bomb.yaml", "w").write(bomb)
open(d + "/replicas.yaml", "w").write("""apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2000000000
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
""")
P
verdict "depth" gives 2 "deep|nested" "$SVCSIM" check "$dir/deep.yaml"
verdict "alias expansion" gives 2 "alias" "$SVCSIM" check "$dir/bomb.yaml"
verdict "counts" gives 2 "replicas" "$SVCSIM" check "$dir/replicas.yaml"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
