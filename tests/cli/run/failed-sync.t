An ingress address that is the cluster IP: in nftables mode no Service works, in iptables mode the cluster IP's rule wins.

$ sed 's/^mode: iptables/mode: nftables/' failed-sync.yaml | svcsim run - | sed -n '/^FLOWS/,/^$/p'
FLOWS
FLOW    DIALED          OUTCOME                          SERVER   SOURCE SEEN   DNAT ON   SNAT ON
same    10.96.0.9:80    refused (icmp-net-unreachable)   -        -             -         -
other   10.96.0.10:80   refused (icmp-net-unreachable)   -        -             -         -

! svcsim run: kube-proxy on a has no IPv4 rules: two elements for 10.96.0.9:80 with different verdicts (File exists)
$ svcsim run failed-sync.yaml | sed -n '/^FLOWS/,/^$/p'
FLOWS
FLOW    DIALED          OUTCOME     SERVER   SOURCE SEEN    DNAT ON   SNAT ON
same    10.96.0.9:80    connected   a        192.168.49.2   a         a
other   10.96.0.10:80   connected   a        192.168.49.2   a         a

