/* The command line: --name value, each checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct options options = {.cpu = -1, .connections = 1, .batch = 1, .size = 1, .warmup = 0.3, .seconds = 1, .seed = 1};

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= least && value <= most))
        fail("%s %s: a number from %g to %g is wanted", name, text, least, most);
    return value;
}

static enum tls kind_of_tls(const char *value)
{
    if (!strcmp(value, "full"))
        return TLS_FULL;
    if (strcmp(value, "resumed"))
        fail("--tls %s: full or resumed is wanted", value);
    return TLS_RESUMED;
}

void read_options(int argc, char **argv)
{
    static const char *modes[] = {"lines", "records", "frames", "blocks", "sink", "source", "connect"};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(name, "--mode")) {
            for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
                if (!strcmp(value, modes[m]))
                    options.mode = modes[m];
            if (!options.mode)
                fail("there is no mode %s", value);
        } else if (!strcmp(name, "--port"))
            options.port = (int)number(name, value, 1, 65535);
        else if (!strcmp(name, "--pid"))
            options.pid = (int)number(name, value, 0, 1 << 30);
        else if (!strcmp(name, "--cpu"))
            options.cpu = (int)number(name, value, -1, 1023);
        else if (!strcmp(name, "--connections"))
            options.connections = (int)number(name, value, 1, 100000);
        else if (!strcmp(name, "--batch"))
            options.batch = (int)number(name, value, 1, 100000);
        else if (!strcmp(name, "--size"))
            options.size = (size_t)number(name, value, 1, 1 << 26);
        else if (!strcmp(name, "--warmup"))
            options.warmup = number(name, value, 0, 600);
        else if (!strcmp(name, "--seconds"))
            options.seconds = number(name, value, 0.001, 600);
        else if (!strcmp(name, "--seed"))
            options.seed = (uint64_t)number(name, value, 1, 1e15);
        else if (!strcmp(name, "--tls"))
            options.tls = kind_of_tls(value);
        else if (!strcmp(name, "--certificate"))
            options.certificate = value;
        else
            fail("there is no option %s", name);
    }
    if (!options.mode || !options.port)
        fail("--mode and --port are needed");
    if (options.tls != TLS_NONE && !options.certificate)
        fail("--tls needs --certificate");
    /* asyncio lets nobody write once the other side has ended its TLS stream. */
    if (options.tls != TLS_NONE && !strcmp(options.mode, "sink"))
        fail("a sink says its count after the end of input, which is not possible with TLS everywhere: use blocks");
    if (options.tls == TLS_RESUMED && strcmp(options.mode, "connect"))
        fail("sessions are resumed in the mode connect only");
}
