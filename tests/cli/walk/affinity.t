Each branch of --all is a first packet: what an earlier branch put into a recent list or a set is forgotten.

$ svcsim walk affinity.yaml --node a --from 10.244.0.7 --to 10.96.0.9:80 --all | grep '^=>'
=> accept; destination becomes 10.244.1.2:8080; source kept; probability 0.33333333349
=> accept; destination becomes 10.244.1.3:8080; source kept; probability 0.33333333326
=> accept; destination becomes 10.244.1.4:8080; source kept; probability 0.33333333326
$ svcsim walk affinity.yaml --node a --from 10.244.0.7 --to 10.96.0.9:80 --all -o json | python3 -c 'import json, sys; print(sum(o["probability"] for o in json.load(sys.stdin)["outcomes"]))'
1.0
$ svcsim walk affinity.yaml --mode nftables --node a --from 10.244.0.7 --to 10.96.0.9:80 --all | grep '^=>'
=> accept; destination becomes 10.244.1.2:8080; source kept; probability 0.33333333349
=> accept; destination becomes 10.244.1.3:8080; source kept; probability 0.33333333326
=> accept; destination becomes 10.244.1.4:8080; source kept; probability 0.33333333326
$ svcsim trace affinity.yaml --from node/a --to service/web --all --minimal
node/a [192.168.49.2] connects to Service default/web clusterIP [10.96.0.9:80/tcp]
0.33333333349  refused (icmp-net-unreachable)
0.33333333326  refused (icmp-net-unreachable)
0.33333333326  refused (icmp-net-unreachable)
