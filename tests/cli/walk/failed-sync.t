An ingress address that is the cluster IP: nftables refuses the whole transaction, so nothing translates; iptables works.

$ svcsim walk failed-sync.yaml --mode nftables --node a --from 1.2.3.4 --to 10.96.0.9:80
tcp 1.2.3.4 > 10.96.0.9:80, first packet, arriving at node a by eth0
=> accept; destination unchanged; source kept
! svcsim walk: kube-proxy's sync on a fails as a whole, so there are no rules: two elements for 10.96.0.9:80 with different verdicts (File exists)
$ svcsim walk failed-sync.yaml --mode iptables --node a --from 1.2.3.4 --to 10.96.0.9:80 | tail -1
=> accept; destination becomes 192.168.49.2:80; source kept
$ svcsim rules failed-sync.yaml --mode nftables --node a
! svcsim rules: kube-proxy's sync on a fails as a whole: two elements for 10.96.0.9:80 with different verdicts (File exists)
[1]
$ svcsim trace failed-sync.yaml --mode nftables --from node/a --to service/s --minimal
node/a [192.168.49.2] connects to Service default/s clusterIP [10.96.0.9:80/tcp]
1  refused (icmp-net-unreachable)
! svcsim trace: kube-proxy on a has no IPv4 rules: two elements for 10.96.0.9:80 with different verdicts (File exists)
