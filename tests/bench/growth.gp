# Draws what growth.sh measured: gnuplot -e "dir='build/bench'" growth.gp
set terminal svg size 1000,700 font 'sans-serif,13' background 'white'
set output dir . '/growth.svg'
set multiplot layout 2,2 title 'svcsim: cost and size of the cluster'
set logscale x
set grid
set key top left
nodes = dir . '/growth-nodes.txt'
services = dir . '/growth-services.txt'
set ylabel 'CPU, ns a packet-hop'
set yrange [0:*]
set xlabel 'nodes (1,000 Services of 10 pods)'
plot nodes using 1:6 with linespoints pt 7 notitle
set xlabel 'Services of 5 pods (1,000 nodes)'
plot services using 2:6 with linespoints pt 7 notitle
set logscale y
set yrange [*:*]
set ylabel 'until ready: s, MB'
set xlabel 'nodes (1,000 Services of 10 pods)'
plot nodes using 1:4 with linespoints pt 7 title 'seconds', nodes using 1:($5/1e6) with linespoints pt 5 title 'MB'
set xlabel 'Services of 5 pods (1,000 nodes)'
plot services using 2:4 with linespoints pt 7 title 'seconds', services using 2:($5/1e6) with linespoints pt 5 title 'MB'
unset multiplot
