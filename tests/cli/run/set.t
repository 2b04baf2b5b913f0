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
! svcsim run: --set: kubernetesVersion is 1.30 to 1.36, not "1.40"
[2]
$ svcsim run ../walk/affinity.yaml --set kubeproxy.iptables.mascaradeAll=true
! svcsim run: --set: cannot set "kubeproxy.iptables.mascaradeAll=true"
! --set: error: there is no field "iptables.mascaradeAll", or it is not modelled
!          hint: did you mean "masqueradeAll"?
[2]
$ svcsim run ../walk/affinity.yaml --set service/wep.spec.type=NodePort
! svcsim run: --set: no Service "wep"; did you mean "web"?
[2]
