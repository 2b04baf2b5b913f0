Packets, as tcpdump prints them.
$ svcsim tcpdump calls.yaml --node minikube-m02 -i any host 192.168.49.2 and port 32073
00:00:01.000250 eth0  In  IP minikube.37448 > minikube-m02.32073: Flags [S], seq 2545310995, win 64240, options [mss 1460,sackOK,TS val 2481866052 ecr 0,nop,wscale 7], length 0
00:00:01.000270 eth0  Out IP minikube-m02.32073 > minikube.37448: Flags [S.], seq 3921741088, ack 2545310996, win 65160, options [mss 1460,sackOK,TS val 871367689 ecr 2481866052,nop,wscale 7], length 0
00:00:01.000770 eth0  In  IP minikube.37448 > minikube-m02.32073: Flags [.], ack 1, win 502, options [nop,nop,TS val 2481866052 ecr 871367689], length 0
00:00:01.000770 eth0  In  IP minikube.37448 > minikube-m02.32073: Flags [P.], seq 1:101, ack 1, win 502, options [nop,nop,TS val 2481866052 ecr 871367689], length 100
00:00:01.000790 eth0  Out IP minikube-m02.32073 > minikube.37448: Flags [.], ack 101, win 511, options [nop,nop,TS val 871367689 ecr 2481866052], length 0
00:00:01.000790 eth0  Out IP minikube-m02.32073 > minikube.37448: Flags [P.], seq 1:165, ack 101, win 511, options [nop,nop,TS val 871367689 ecr 2481866052], length 164
00:00:01.000790 eth0  Out IP minikube-m02.32073 > minikube.37448: Flags [F.], seq 165, ack 101, win 511, options [nop,nop,TS val 871367689 ecr 2481866052], length 0
00:00:01.001290 eth0  In  IP minikube.37448 > minikube-m02.32073: Flags [.], ack 165, win 505, options [nop,nop,TS val 2481866053 ecr 871367689], length 0
00:00:01.001290 eth0  In  IP minikube.37448 > minikube-m02.32073: Flags [F.], seq 101, ack 166, win 505, options [nop,nop,TS val 2481866053 ecr 871367689], length 0
00:00:01.001310 eth0  Out IP minikube-m02.32073 > minikube.37448: Flags [.], ack 102, win 511, options [nop,nop,TS val 871367690 ecr 2481866053], length 0
! 10 packets captured
$ svcsim tcpdump calls.yaml -n -i minikube/eth0 -c 4 port 32073
00:00:01.000000 IP 192.168.49.2.37448 > 192.168.49.3.32073: Flags [S], seq 2545310995, win 64240, options [mss 1460,sackOK,TS val 2481866052 ecr 0,nop,wscale 7], length 0
00:00:01.000520 IP 192.168.49.3.32073 > 192.168.49.2.37448: Flags [S.], seq 3921741088, ack 2545310996, win 65160, options [mss 1460,sackOK,TS val 871367689 ecr 2481866052,nop,wscale 7], length 0
00:00:01.000520 IP 192.168.49.2.37448 > 192.168.49.3.32073: Flags [.], ack 1, win 502, options [nop,nop,TS val 2481866052 ecr 871367689], length 0
00:00:01.000520 IP 192.168.49.2.37448 > 192.168.49.3.32073: Flags [P.], seq 1:101, ack 1, win 502, options [nop,nop,TS val 2481866052 ecr 871367689], length 100
! 4 packets captured
$ svcsim tcpdump calls.yaml --node minikube -n -i eth0 -v 'udp or icmp'
00:00:03.000000 IP (tos 0x0, ttl 64, id 0, offset 0, flags [DF], proto UDP (17), length 33)
    192.168.49.2.45525 > 10.244.1.7.9: UDP, length 5
00:00:03.000520 IP (tos 0xc0, ttl 63, id 0, offset 0, flags [none], proto ICMP (1), length 61)
    10.244.1.7 > 192.168.49.2: ICMP 10.244.1.7 udp port 9 unreachable, length 41
! 2 packets captured
$ svcsim tcpdump calls.yaml --host pod/frontend-1 -i eth0 -n 'tcp[tcpflags] & tcp-syn != 0'
00:00:01.000260 IP 10.244.1.1.4471 > 10.244.1.7.8080: Flags [S], seq 2545310995, win 64240, options [mss 1460,sackOK,TS val 2481866052 ecr 0,nop,wscale 7], length 0
00:00:01.000260 IP 10.244.1.7.8080 > 10.244.1.1.4471: Flags [S.], seq 3921741088, ack 2545310996, win 65160, options [mss 1460,sackOK,TS val 871367689 ecr 2481866052,nop,wscale 7], length 0
00:00:02.020385 IP 192.168.49.2.1093 > 10.244.1.7.8080: Flags [S], seq 3906321031, win 64240, options [mss 1460,sackOK,TS val 3821571527 ecr 0,nop,wscale 7], length 0
00:00:02.020385 IP 10.244.1.7.8080 > 192.168.49.2.1093: Flags [S.], seq 3023997068, ack 3906321032, win 65160, options [mss 1460,sackOK,TS val 2637968296 ecr 3821571527,nop,wscale 7], length 0
! 4 packets captured
$ svcsim tcpdump calls.yaml --node minikube -i eth1
! svcsim tcpdump: minikube has no interface "eth1"; did you mean "eth0"?
[2]
$ svcsim tcpdump calls.yaml --host pod/fronted-1
! svcsim tcpdump: no host "pod/fronted-1" at this time; did you mean "pod/frontend-1"?
[2]
$ svcsim tcpdump calls.yaml 'port or'
! svcsim tcpdump: filter "port or": can't parse filter expression: syntax error
[2]
$ svcsim run calls.yaml --out "$SCRATCH/run" >/dev/null && svcsim tcpdump calls.yaml -n -i minikube/eth0 2>/dev/null >"$SCRATCH/ours" && tcpdump -nr "$SCRATCH"/run/minikube-eth0.pcap 2>/dev/null | diff - "$SCRATCH/ours" && echo the same as tcpdump prints of the capture
the same as tcpdump prints of the capture
