Interfaces, routes and sockets.  No socket listens on a clusterIP or a node port: netstat shows none.
$ svcsim ip calls.yaml --node minikube addr
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host 
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 92:bc:b0:37:f2:e1 brd ff:ff:ff:ff:ff:ff
    inet 192.168.49.2/24 scope global eth0
       valid_lft forever preferred_lft forever
3: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 62:74:0b:5d:62:fd brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.1/24 scope global cni0
       valid_lft forever preferred_lft forever
4: v9p@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master cni0 state UP group default qlen 1000
    link/ether aa:70:0d:c3:5e:ef brd ff:ff:ff:ff:ff:ff
$ svcsim ip calls.yaml --node minikube route
default via 192.168.49.1 dev eth0 
10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1 
10.244.1.0/24 via 192.168.49.3 dev eth0 
192.168.49.0/24 dev eth0 proto kernel scope link src 192.168.49.2 
$ svcsim ip calls.yaml --node minikube route show table local
local 10.244.0.1 dev cni0 proto kernel scope host src 10.244.0.1 
broadcast 10.244.0.255 dev cni0 proto kernel scope link src 10.244.0.1 
local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 
local 192.168.49.2 dev eth0 proto kernel scope host src 192.168.49.2 
broadcast 192.168.49.255 dev eth0 proto kernel scope link src 192.168.49.2 
$ svcsim ip calls.yaml --host pod/frontend-1 addr show eth0
2: eth0@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 2e:c8:4c:ba:20:24 brd ff:ff:ff:ff:ff:ff
    inet 10.244.1.7/24 scope global eth0
       valid_lft forever preferred_lft forever
$ svcsim ip calls.yaml --host pod/default/frontend-1 route
default via 10.244.1.1 dev eth0 
10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.7 
$ svcsim ip calls.yaml --node minikube link
! svcsim ip: addr or route?
[2]
$ svcsim ip calls.yaml --node minikube addr show eth7
! svcsim ip: minikube has no interface "eth7"
[2]
$ svcsim netstat calls.yaml --host pod/frontend-1 -nta --at 5s
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State      
tcp6       0      0 :::8080                 :::*                    LISTEN     
tcp        0      0 10.244.1.7:8080         192.168.49.2:1093       ESTABLISHED
tcp        0      0 10.244.1.7:8080         10.244.1.1:4471         TIME_WAIT  
$ svcsim netstat calls.yaml --node minikube -ntlp
Active Internet connections (only servers)
Proto Recv-Q Send-Q Local Address           Foreign Address         State      
tcp        0      0 0.0.0.0:10256           0.0.0.0:*               LISTEN     
$ svcsim netstat calls.yaml --node minikube -ntlp | grep -e 10.96.154.187 -e 32073
[1]
$ svcsim netstat calls.yaml --host client/laptop -n --at 5s
Active Internet connections (w/o servers)
Proto Recv-Q Send-Q Local Address           Foreign Address         State      
tcp        0      0 203.0.113.7:43968       192.168.49.2:32073      ESTABLISHED
