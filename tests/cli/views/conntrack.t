Tables and events of connection tracking.
$ svcsim conntrack calls.yaml --node minikube-m02 -L --at 5s
tcp      6 116 TIME_WAIT src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471 [ASSURED] mark=0 use=1
tcp      6 86397 ESTABLISHED src=192.168.49.2 dst=10.244.1.7 sport=1093 dport=8080 src=10.244.1.7 dst=192.168.49.2 sport=8080 dport=1093 [ASSURED] mark=0 use=1
udp      17 28 src=192.168.49.2 dst=10.244.1.7 sport=45525 dport=9 [UNREPLIED] src=10.244.1.7 dst=192.168.49.2 sport=9 dport=45525 mark=0 use=1
! svcsim conntrack: 3 flow entries have been shown.
$ svcsim conntrack calls.yaml --node minikube -L -p tcp -s 203.0.113.7 --at 5s
tcp      6 86397 ESTABLISHED src=203.0.113.7 dst=192.168.49.2 sport=43968 dport=32073 src=10.244.1.7 dst=192.168.49.2 sport=8080 dport=1093 [ASSURED] mark=0 use=1
! svcsim conntrack: 1 flow entries have been shown.
$ svcsim conntrack calls.yaml --node minikube
tcp      6 86202 ESTABLISHED src=203.0.113.7 dst=192.168.49.2 sport=43968 dport=32073 src=10.244.1.7 dst=192.168.49.2 sport=8080 dport=1093 [ASSURED] mark=0 use=1
! svcsim conntrack: 1 flow entries have been shown.
$ svcsim conntrack calls.yaml --node minikube-m02 -E -p tcp --at 5s
[1.000250]	    [NEW] tcp      6 120 SYN_SENT src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 [UNREPLIED] src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471
[1.000270]	 [UPDATE] tcp      6 60 SYN_RECV src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471
[1.000770]	 [UPDATE] tcp      6 86400 ESTABLISHED src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471 [ASSURED]
[1.000790]	 [UPDATE] tcp      6 120 FIN_WAIT src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471 [ASSURED]
[1.001290]	 [UPDATE] tcp      6 300 CLOSE_WAIT src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471 [ASSURED]
[1.001290]	 [UPDATE] tcp      6 30 LAST_ACK src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471 [ASSURED]
[1.001310]	 [UPDATE] tcp      6 120 TIME_WAIT src=192.168.49.2 dst=192.168.49.3 sport=37448 dport=32073 src=10.244.1.7 dst=10.244.1.1 sport=8080 dport=4471 [ASSURED]
[2.020375]	    [NEW] tcp      6 120 SYN_SENT src=192.168.49.2 dst=10.244.1.7 sport=1093 dport=8080 [UNREPLIED] src=10.244.1.7 dst=192.168.49.2 sport=8080 dport=1093
[2.020395]	 [UPDATE] tcp      6 60 SYN_RECV src=192.168.49.2 dst=10.244.1.7 sport=1093 dport=8080 src=10.244.1.7 dst=192.168.49.2 sport=8080 dport=1093
[2.061145]	 [UPDATE] tcp      6 86400 ESTABLISHED src=192.168.49.2 dst=10.244.1.7 sport=1093 dport=8080 src=10.244.1.7 dst=192.168.49.2 sport=8080 dport=1093 [ASSURED]
! svcsim conntrack: 10 flow events have been shown.
$ svcsim conntrack calls.yaml --node minikube -d nowhere
! svcsim conntrack: -s and -d are addresses, not "nowhere"
[2]
