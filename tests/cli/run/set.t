A field that --set names must do something.

$ svcsim run ../walk/affinity.yaml --set service/web.spec.externalTrafficPolcy=Local
! svcsim run: --set: cannot set "service/web.spec.externalTrafficPolcy=Local"
! --set: error: there is no field "spec.externalTrafficPolcy" of Service default/web, or it is not modelled
!          hint: did you mean "externalTrafficPolicy"?
[2]
$ svcsim run ../walk/affinity.yaml --set service/web.spec.nothing.known=1
! svcsim run: --set: cannot set "service/web.spec.nothing.known=1"
! --set: error: there is no field "spec.nothing" of Service default/web, or it is not modelled
[2]
$ svcsim run ../walk/affinity.yaml --set service/web.spec.externalIPs=[192.0.2.9]

0 flows: 0 connected, 0 refused, 0 timed out, 0 reset, 0 unresolved (seed 0)
$ svcsim run ../walk/affinity.yaml --set cluster.kubernetesVersion=1.40
! svcsim run: --set: cannot set "cluster.kubernetesVersion=1.40"
! (value of kubernetesVersion):2:8: error: kubernetesVersion: "1.40" is not a version from 1.30 to 1.36
!     2 | value: 1.40
!       |        ^~~~
[2]
$ svcsim run ../walk/affinity.yaml --set kubeproxy.iptables.mascaradeAll=true
! svcsim run: --set: cannot set "kubeproxy.iptables.mascaradeAll=true"
! --set: error: there is no field "iptables.mascaradeAll", or it is not modelled
!          hint: did you mean "masqueradeAll"?
[2]
$ svcsim run ../walk/affinity.yaml --set service/wep.spec.type=NodePort
! svcsim run: --set: no Service "wep"; did you mean "web"?
[2]
$ svcsim run ../walk/affinity.yaml --set cluster.network.mtx=9000
! svcsim run: --set: cannot set "cluster.network.mtx=9000"
! --set: error: there is no field "network.mtx", or it is not modelled
!          hint: did you mean "mtu"?
[2]
$ svcsim run ../views/calls.yaml --set cluster.kernel.forwardPolicy=DROP --set "cluster.kernel.sysctls={net.ipv4.ip_forward: 0}" | tail -1
3 flows: 0 connected, 0 refused, 3 timed out, 0 reset, 0 unresolved (seed 1)
