The load balancer's address leads through the load balancer, a hostname or not; a node without a pod answers 503 at the
health check port.

$ svcsim matrix local.yaml --client outside
Service default/web, LoadBalancer, port 80/tcp, externalTrafficPolicy Local, internalTrafficPolicy Cluster
2 endpoints, 2 ready

door, client                   outcome                     endpoints                    source seen            nodes
clusterIP 10.102.154.114:80
  outside                      refused (net-unreachable)                                -                      0
  outside via node-a, node-b   connected                   1 of 2 (local), 50 %         bridge of that node    1
    or                         connected                   1 of 2 (remote), 50 %        address of that node   2
  outside via node-c           connected                   2 of 2 (remote), 50 % each   address of that node   2
clusterIP, other port 10.102.154.114:81
  outside                      refused (net-unreachable)                                -                      0
  outside via any node         refused (ttl-exceeded)                                   -                      1
load balancer IP 203.0.113.243:80
  outside                      connected                   2 of 2, 50 % each            client                 1
  outside via any node         refused (ttl-exceeded)                                   -                      1
node port 192.168.10.1:31881 on node-a
  outside                      connected                   1 of 2 (local)               client                 1
node port 192.168.10.2:31881 on node-b
  outside                      connected                   1 of 2 (local)               client                 1
node port 192.168.10.3:31881 on node-c
  outside                      timeout                                                  -                      1
health check port 192.168.10.1:30199 on node-a
  outside                      connected, HTTP 200                                      client                 1
health check port 192.168.10.2:30199 on node-b
  outside                      connected, HTTP 200                                      client                 1
health check port 192.168.10.3:30199 on node-c
  outside                      connected, HTTP 503                                      client                 1
