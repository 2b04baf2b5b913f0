# What is read is already too much; a limit that is not reached changes nothing.
$ svcsim run failed-sync.yaml --memory-limit 1M
! svcsim run: more memory is needed for reading than the 1 MB of --memory-limit
[3]
$ svcsim get failed-sync.yaml nodes --memory-limit 64G
NAME   STATUS   ROLES    AGE   VERSION
a      Ready    <none>   5s    v1.34.0
$ svcsim run failed-sync.yaml --memory-limit 5x
! svcsim run: --memory-limit is a size such as 512M, 4G or 2Gi, not "5x"
[2]
