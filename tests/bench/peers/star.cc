/* The star of bench_star in ns-3: clients - router - nodes - pods, UDP echo, plain forwarding with static routes
 *
 * No rules, no connection tracking, no translation: ns-3 has none.  Prints packet-hops per second of CPU of the run
 * alone, median of five.  Built and run by `make bench-peers`. */

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <vector>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

namespace
{
const uint32_t kClients = 50, kNodes = 10, kPods = 10;
uint64_t n_received;

void
OnReceived(ns3::Ptr<const ns3::Packet>)
{
    n_received++;
}

double
Cpu()
{
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

struct Star {
    ns3::PointToPointHelper links;
    ns3::Ipv4AddressHelper addresses;
    ns3::Ipv4StaticRoutingHelper routing;

    /* 'leaf' sends all to 'hub'; returns the leaf's address. */
    ns3::Ipv4Address
    Connect(ns3::Ptr<ns3::Node> leaf, ns3::Ptr<ns3::Node> hub)
    {
        auto ends = addresses.Assign(links.Install(leaf, hub));
        addresses.NewNetwork();
        routing.GetStaticRouting(leaf->GetObject<ns3::Ipv4>())->SetDefaultRoute(ends.GetAddress(1), 1);
        return ends.GetAddress(0);
    }
};

double
Run(double seconds)
{
    Star star;
    ns3::NodeContainer clients(kClients), nodes(kNodes), pods(kNodes * kPods), router(1);
    ns3::InternetStackHelper stack;
    std::vector<ns3::Ipv4Address> pod_addresses;
    ns3::UdpEchoServerHelper server(81);

    stack.SetIpv6StackInstall(false);
    stack.SetRoutingHelper(star.routing);
    stack.InstallAll();
    star.links.SetDeviceAttribute("DataRate", ns3::StringValue("10Gbps"));
    star.links.SetChannelAttribute("Delay", ns3::StringValue("10us"));
    star.addresses.SetBase("10.0.0.0", "255.255.255.252");
    for (uint32_t i = 0; i < kClients; i++)
        star.Connect(clients.Get(i), router.Get(0));
    for (uint32_t n = 0; n < kNodes; n++) {
        auto link = star.links.Install(nodes.Get(n), router.Get(0));
        star.addresses.SetBase(ns3::Ipv4Address(0x0a010000 + 256 * n), "255.255.255.252");
        auto ends = star.addresses.Assign(link);
        auto table = star.routing.GetStaticRouting(router.Get(0)->GetObject<ns3::Ipv4>());
        ns3::Ipv4Address range(0x0a400000 + 65536 * n);
        star.routing.GetStaticRouting(nodes.Get(n)->GetObject<ns3::Ipv4>())->SetDefaultRoute(ends.GetAddress(1), 1);
        table->AddNetworkRouteTo(range, "255.255.0.0", ends.GetAddress(0), kClients + 1 + n);
        star.addresses.SetBase(range, "255.255.255.252");
        for (uint32_t p = 0; p < kPods; p++)
            pod_addresses.push_back(star.Connect(pods.Get(n * kPods + p), nodes.Get(n)));
    }
    server.Install(pods).Start(ns3::Seconds(0));
    for (uint32_t i = 0; i < kClients; i++) {
        ns3::UdpEchoClientHelper client(pod_addresses[i * 7919 % pod_addresses.size()], 81);
        client.SetAttribute("Interval", ns3::TimeValue(ns3::MicroSeconds(100)));
        client.SetAttribute("MaxPackets", ns3::UintegerValue(1000000000));
        client.SetAttribute("PacketSize", ns3::UintegerValue(100));
        auto apps = client.Install(clients.Get(i));
        apps.Start(ns3::MicroSeconds(i));
        apps.Stop(ns3::Seconds(seconds));
    }
    for (const char *kind : {"Server", "Client"})
        ns3::Config::ConnectWithoutContext(
            std::string("/NodeList/*/ApplicationList/*/$ns3::UdpEcho") + kind + "/Rx", ns3::MakeCallback(&OnReceived));
    ns3::Simulator::Stop(ns3::Seconds(seconds + 0.1));
    double begin = Cpu();
    ns3::Simulator::Run();
    return 3.0 * n_received / (Cpu() - begin);
}
} // namespace

int
main()
{
    std::vector<double> rates;

    for (int r = 0; r < 5; r++) { /* A process each: ns-3's world is global. */
        int ends[2];
        double rate = 0;
        if (pipe(ends) != 0)
            return 1;
        pid_t pid = fork();
        if (pid == 0) {
            rate = Run(0.2);
            _exit(write(ends[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
        }
        if (read(ends[0], &rate, sizeof rate) != sizeof rate || waitpid(pid, nullptr, 0) != pid || rate <= 0)
            return 1;
        rates.push_back(rate);
    }
    std::sort(rates.begin(), rates.end());
    std::printf("ns-3, small star: %.3f M hops/s, forwarding only\n", rates[2] / 1e6);
    return 0;
}
