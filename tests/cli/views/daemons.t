A DaemonSet's pods follow the labels of nodes; a cordon does not send them away.

$ svcsim get daemons.yaml pods -o wide --no-headers --at 500ms | awk '{ print $7 }' | sort
node-a
node-b
$ svcsim get daemons.yaml pods -o wide --no-headers | awk '{ print $3, $7 }' | sort
Running node-b
Running node-c
$ svcsim run daemons.yaml | grep agent
    1.025s  pod default/agent-w67np is deleted
    1.125s  pod default/agent-w67np gets SIGTERM
    1.225s  pod default/agent-w67np has ended on node node-a
    2.025s  pod default/agent-tpnkl is created
    3.625s  pod default/agent-tpnkl starts on node node-c
    3.725s  pod default/agent-tpnkl on node node-c becomes ready
