/* make conformance [T=substring] */

#include <stdio.h>

#include "tests/conformance/conf.h"

int
main(int argc, char **argv)
{
    Conf conf = {.root = "tests/conformance", .filter = argc > 1 ? argv[1] : ""};

    conf_unit(&conf);
    conf_rules(&conf);
    conf_flows(&conf);
    printf("%u passed, %u failed, %u skipped\n", conf.passed, conf.failed, conf.skipped);
    return conf.failed ? 1 : 0;
}
