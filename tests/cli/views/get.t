The tables of kubectl get.
$ svcsim get shop.yaml nodes
NAME           STATUS   ROLES           AGE   VERSION
minikube       Ready    control-plane   0s    v1.30.0
minikube-m02   Ready    <none>          0s    v1.30.0
$ svcsim get shop.yaml nodes -o wide
NAME           STATUS   ROLES           AGE   VERSION   INTERNAL-IP    EXTERNAL-IP   OS-IMAGE    KERNEL-VERSION   CONTAINER-RUNTIME
minikube       Ready    control-plane   0s    v1.30.0   192.168.49.2   <none>        <unknown>   <unknown>        <unknown>
minikube-m02   Ready    <none>          0s    v1.30.0   192.168.49.3   <none>        <unknown>   <unknown>        <unknown>
$ svcsim get shop.yaml pods
NAME         READY   STATUS    RESTARTS   AGE
frontend-1   1/1     Running   0          0s
$ svcsim get shop.yaml pods -A -o wide
NAMESPACE   NAME         READY   STATUS    RESTARTS   AGE   IP           NODE           NOMINATED NODE   READINESS GATES
batch       job          1/1     Running   0          0s    10.244.0.9   minikube       <none>           <none>
default     frontend-1   1/1     Running   0          0s    10.244.1.7   minikube-m02   <none>           <none>
$ svcsim get shop.yaml svc
NAME               TYPE           CLUSTER-IP      EXTERNAL-IP   PORT(S)        AGE
dns                ClusterIP      None            <none>        <none>         0s
frontend-service   LoadBalancer   10.96.154.187   <pending>     80:32073/TCP   0s
$ svcsim get shop.yaml services,endpoints,endpointslices
NAME                       TYPE           CLUSTER-IP      EXTERNAL-IP   PORT(S)        AGE
service/dns                ClusterIP      None            <none>        <none>         0s
service/frontend-service   LoadBalancer   10.96.154.187   <pending>     80:32073/TCP   0s

NAME                         ENDPOINTS         AGE
endpoints/dns                <none>            0s
endpoints/frontend-service   10.244.1.7:8080   0s

NAME                                                    ADDRESSTYPE   PORTS   ENDPOINTS    AGE
endpointslice.discovery.k8s.io/frontend-service-abcde   IPv4          8080    10.244.1.7   0s
$ svcsim get shop.yaml svc/frontend-service -o wide
NAME               TYPE           CLUSTER-IP      EXTERNAL-IP   PORT(S)        AGE   SELECTOR
frontend-service   LoadBalancer   10.96.154.187   <pending>     80:32073/TCP   0s    app=frontend
$ svcsim get shop.yaml pods -l 'app in (frontend, backend),!legacy' --no-headers
frontend-1   1/1   Running   0     0s
$ svcsim get shop.yaml pods -l app!=frontend
! No resources found in default namespace.
$ svcsim get shop.yaml pods,svc -o name
pod/frontend-1
service/dns
service/frontend-service
$ svcsim get shop.yaml pod job -n batch -o yaml
apiVersion: v1
kind: Pod
metadata:
  labels:
    app: job
  name: job
  namespace: batch
spec:
  containers:
  - image: job
    name: c
  dnsPolicy: ClusterFirst
  nodeName: minikube
  terminationGracePeriodSeconds: 30
status:
  conditions:
  - status: "True"
    type: Ready
  hostIP: 192.168.49.2
  phase: Running
  podIP: 10.244.0.9
  podIPs:
  - ip: 10.244.0.9
$ svcsim get shop.yaml pod frontend-1 -o json | python3 -c 'import json,sys; d = json.load(sys.stdin); print(d["kind"], d["status"]["podIP"])'
Pod 10.244.1.7
$ svcsim get calls.yaml pods --at 150s
NAME         READY   STATUS    RESTARTS   AGE
frontend-1   1/1     Running   0          2m30s
$ svcsim get shop.yaml pod job
! svcsim get: pods "job" not found in namespace default, but in batch (-n batch)
[2]
$ svcsim get shop.yaml service frontend-servcie
! svcsim get: services "frontend-servcie" not found; did you mean "frontend-service"?
[2]
$ svcsim get shop.yaml podds
! svcsim get: the cluster has no resource type "podds"; did you mean "pods"?
[2]
$ svcsim get shop.yaml pods -l 'a in b'
! svcsim get: cannot read "a in b" in the selector "a in b"
[2]
$ svcsim get pods
! svcsim get: no input file: svcsim get FILE... KIND[,KIND...] [NAME...] [options]
[2]
$ svcsim get shop.yaml pods -o xml
! svcsim get: --format is one of text, wide, name, yaml, json, not "xml"
[2]
