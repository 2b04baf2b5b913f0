#!/bin/bash
# The article's claims: chain ids that are known from real clusters, every expectation turned round, and the commands of
# "The article, checked" in the README with the line that decides.
set -u
cd "$(dirname "$0")/../.."
SVCSIM=${SVCSIM:-$PWD/build/svcsim} MAKE=${MAKE:-make}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

verdict() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $name"; fi
}

"$SVCSIM" rules scenarios/article/11-nodeport.yaml --node minikube >"$dir/rules"
while read -r chain what; do
    verdict "$chain is not the chain of $what" grep -qE -- "^:$chain -|^:$chain - " "$dir/rules"
done <<'IDS'
KUBE-SVC-NPX46M4PTMTKRN6Y default/kubernetes:https
KUBE-SVC-TCOU7JCQXEZGVUNU kube-system/kube-dns:dns
KUBE-SVC-ERIFXISQEP7F7OF4 kube-system/kube-dns:dns-tcp
KUBE-SVC-JD5MR3NA4I4DYORP kube-system/kube-dns:metrics
KUBE-SVC-6R7RAWWNQI6ZLKMO jobs/backend-service:backend
KUBE-SVC-6XQSOA4B4HLF6UNI jobs/frontend-service:frontend
KUBE-EXT-6XQSOA4B4HLF6UNI jobs/frontend-service:frontend from outside
KUBE-SEP-O3HWD4DESFNXEYL6 10.244.1.2:3000
KUBE-SEP-IWKGAKCJPN2GDKZP 10.244.0.3:8080
KUBE-SEP-G5YGW63JRCEDVAQZ 10.244.1.4:8080
KUBE-SEP-SVT42V6SNWE7E3YK 10.244.2.3:8080
IDS
"$SVCSIM" rules scenarios/article/14-external-traffic-policy-local.yaml --node minikube-m02 >"$dir/rules"
verdict "no chain of local endpoints" grep -q '^:KUBE-SVL-6XQSOA4B4HLF6UNI -' "$dir/rules"

# checked NAME: the command that the README shows in the row of that name
checked() { sed -nE "s/^\| $1 \|.*\| \`svcsim ([^\`]*)\` \|\$/\1/p" README.md | sed 's/\\|/|/g'; }
while IFS=$'\t' read -r name pattern; do
    command=$(checked "$name")
    if [ -z "$command" ]; then
        verdict "$name has no command in the README" false
        continue
    fi
    eval "\"\$SVCSIM\" $command" >"$dir/out" 2>"$dir/err"
    verdict "$name: svcsim $command shows no line like: $pattern" grep -qE -- "$pattern" "$dir/out"
done <tests/article/checked.txt

# An installed program finds its profiles from anywhere.
"$MAKE" -s install BUILD="${BUILD:-build}" DESTDIR="$dir/dest" PREFIX=/usr >"$dir/install" 2>&1
verdict "the installed program runs" bash -c "cd / && '$dir/dest/usr/bin/svcsim' run \
    '$dir/dest/usr/share/svcsim/scenarios/article/load-balancer-policies.yaml' >'$dir/out'"
"$MAKE" -s uninstall DESTDIR="$dir/dest" PREFIX=/usr
verdict "uninstall leaves nothing" [ -z "$(find "$dir/dest" -type f)" ]

# The story: who called whom, which rule rewrote what and which one wanted that, what the pod saw.
"$SVCSIM" run scenarios/article/article.yaml | tr -s ' \n' ' ' >"$dir/story"
while read -r sentence; do
    verdict "the story does not say: $sentence" grep -qF -- "$sentence" "$dir/story"
done <<'STORY'
Client laptop (203.0.113.7) called 192.168.49.2:32073, the node port of Service jobs/frontend-service on node minikube.
rule 2 of KUBE-SEP-G5YGW63JRCEDVAQZ sent it to 10.244.1.4:8080, pod jobs/frontend-deployment-66dd585966-gm4rk on minikube-m02.
rule 3 of KUBE-POSTROUTING replaced the source 203.0.113.7 by 192.168.49.2, because rule 1 of KUBE-EXT-6XQSOA4B4HLF6UNI had marked the packet (spec.externalTrafficPolicy: Cluster).
The pod saw 192.168.49.2: it does not know the client.
No answer in 4.0 s and 3 retransmissions: minikube dropped it: filter KUBE-EXTERNAL-SERVICES rule 2
STORY

python3 tests/article/flip.py "$SVCSIM" >"$dir/flips" || grep FAIL "$dir/flips"
read -r flipped _ wrong _ < <(tail -n 1 "$dir/flips")
echo "$((passed + flipped)) passed, $((failed + wrong)) failed, 0 skipped"
[ $((failed + wrong)) -eq 0 ]
