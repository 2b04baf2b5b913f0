Rules and counters, as iptables -L lists them.
$ svcsim iptables calls.yaml --node minikube-m02 -t nat -L KUBE-NODEPORTS -n -v --line-numbers
Chain KUBE-NODEPORTS (1 references)
num   pkts bytes target     prot opt in     out     source               destination         
1        1    60 KUBE-EXT-ZRZB4E6YGNXQFBSZ  6    --  *      *       0.0.0.0/0            0.0.0.0/0            /* default/frontend-service:frontend */ tcp dpt:32073
$ svcsim iptables calls.yaml --node minikube-m02 -t nat -L KUBE-NODEPORTS -n -v --at 500ms
Chain KUBE-NODEPORTS (1 references)
 pkts bytes target     prot opt in     out     source               destination         
    0     0 KUBE-EXT-ZRZB4E6YGNXQFBSZ  6    --  *      *       0.0.0.0/0            0.0.0.0/0            /* default/frontend-service:frontend */ tcp dpt:32073
$ svcsim iptables shop.yaml --node minikube -t nat -nL KUBE-SVC-6XQSOA4B4HLF6UNI
! svcsim iptables: table nat has no chain "KUBE-SVC-6XQSOA4B4HLF6UNI"
[2]
$ svcsim iptables calls.yaml --node minikube -t nat -L POSTROUTING -n -v -x
Chain POSTROUTING (policy ACCEPT 2 packets, 93 bytes)
    pkts      bytes target     prot opt in     out     source               destination         
       3      153 KUBE-POSTROUTING  0    --  *      *       0.0.0.0/0            0.0.0.0/0            /* kubernetes postrouting rules */
$ svcsim iptables shop.yaml --node minikube -t nat -S KUBE-POSTROUTING
-N KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
$ svcsim iptables shop.yaml --node minikube -t nat -L KUBE-NODEPORT
! svcsim iptables: table nat has no chain "KUBE-NODEPORT"; did you mean "KUBE-NODEPORTS"?
[2]
$ svcsim iptables shop.yaml --node minikub -t nat
! svcsim iptables: no Node "minikub" in the input; did you mean "minikube"?
[2]
$ svcsim iptables shop.yaml --node minikube -t raw
! svcsim iptables: no table "raw"; there are mangle, filter and nat
[2]
$ svcsim iptables shop.yaml
! svcsim iptables: --node is missing
[2]
