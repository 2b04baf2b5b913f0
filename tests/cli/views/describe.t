The descriptions of kubectl describe, and what kube-proxy made of a Service.
$ svcsim describe shop.yaml service frontend-service
Name:                     frontend-service
Namespace:                default
Labels:                   <none>
Annotations:              <none>
Selector:                 app=frontend
Type:                     LoadBalancer
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       10.96.154.187
IPs:                      10.96.154.187
Port:                     frontend  80/TCP
TargetPort:               8080/TCP
NodePort:                 frontend  32073/TCP
Endpoints:                10.244.1.7:8080
Session Affinity:         None
External Traffic Policy:  Cluster
Internal Traffic Policy:  Cluster
Events:                   <none>
Kube-Proxy on minikube, minikube-m02:
  nat KUBE-SERVICES:
    1  -d 10.96.154.187/32 -p tcp -m comment --comment "default/frontend-service:frontend cluster IP" -m tcp --dport 80 -j KUBE-SVC-ZRZB4E6YGNXQFBSZ
  nat KUBE-EXT-ZRZB4E6YGNXQFBSZ:
    1  -m comment --comment "masquerade traffic for default/frontend-service:frontend external destinations" -j KUBE-MARK-MASQ
    2  -j KUBE-SVC-ZRZB4E6YGNXQFBSZ
  nat KUBE-SVC-ZRZB4E6YGNXQFBSZ:
    1  ! -s 10.244.0.0/16 -d 10.96.154.187/32 -p tcp -m comment --comment "default/frontend-service:frontend cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
    2  -m comment --comment "default/frontend-service:frontend -> 10.244.1.7:8080" -j KUBE-SEP-6OTZIL6KXBDXGZEI
  nat KUBE-SEP-6OTZIL6KXBDXGZEI:
    1  -s 10.244.1.7/32 -m comment --comment "default/frontend-service:frontend" -j KUBE-MARK-MASQ
    2  -p tcp -m comment --comment "default/frontend-service:frontend" -m tcp -j DNAT --to-destination 10.244.1.7:8080
  nat KUBE-NODEPORTS:
    1  -p tcp -m comment --comment "default/frontend-service:frontend" -m tcp --dport 32073 -j KUBE-EXT-ZRZB4E6YGNXQFBSZ
$ svcsim describe shop.yaml pod/frontend-1 endpointslice/frontend-service-abcde
Name:         frontend-1
Namespace:    default
Node:         minikube-m02/192.168.49.3
Start Time:   Sat, 01 Jan 2000 00:00:00 +0000
Labels:       app=frontend
Annotations:  <none>
Status:       Running
IP:           10.244.1.7
IPs:
  IP:  10.244.1.7
Containers:
  c:
    Image:          front
    Port:           8080/TCP
    Host Port:      0/TCP
    State:          Running
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:         <none>
Conditions:
  Type           Status
  Ready          True 
Volumes:         <none>
QoS Class:       BestEffort
Node-Selectors:  <none>
Tolerations:     node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
                 node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
Events:          <none>


Name:         frontend-service-abcde
Namespace:    default
Labels:       kubernetes.io/service-name=frontend-service
Annotations:  <none>
AddressType:  IPv4
Ports:
  Name      Port  Protocol
  ----      ----  --------
  frontend  8080  TCP
Endpoints:
  - Addresses:  10.244.1.7
    Conditions:
      Ready:    true
    Hostname:   <unset>
    TargetRef:  Pod/frontend-1
    NodeName:   minikube-m02
    Zone:       <unset>
Events:         <none>
$ svcsim describe shop.yaml node minikube
Name:               minikube
Roles:              control-plane
Labels:             node-role.kubernetes.io/control-plane=
Annotations:        <none>
CreationTimestamp:  Sat, 01 Jan 2000 00:00:00 +0000
Taints:             <none>
Unschedulable:      false
Conditions:
  Type    Status
  ----    ------
  Ready   True
Addresses:
  InternalIP:  192.168.49.2
System Info:
  Kernel Version:             
  OS Image:                   
  Container Runtime Version:  
  Kubelet Version:            v1.30.0
PodCIDR:                      10.244.0.0/24
PodCIDRs:                     10.244.0.0/24
Non-terminated Pods:          (1 in total)
  Namespace                   Name
  ---------                   ----
  batch                       job
$ svcsim describe shop.yaml svc frontend
! svcsim describe: services "frontend" not found
[2]
