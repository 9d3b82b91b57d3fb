/* The command line: pairs of --name value, each value checked. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

struct options options = {.cpu = -1, .connections = 1, .batch = 1, .size = 1, .warmup = 0.3, .seconds = 1, .seed = 1};

static double parse_number(const char *name, const char *text, double min, double max)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= min && value <= max))
        fail("%s %s: a number from %g to %g is wanted", name, text, min, max);
    return value;
}

static enum tls_mode parse_tls_mode(const char *value)
{
    if (!strcmp(value, "full"))
        return TLS_FULL;
    if (strcmp(value, "resumed"))
        fail("--tls %s: full or resumed is wanted", value);
    return TLS_RESUMED;
}

static void set_mode(const char *value)
{
    static const char *modes[] = {"lines", "records", "frames", "blocks", "sink", "source", "connect"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(value, modes[i]))
            options.mode = modes[i];
    if (!options.mode)
        fail("there is no mode %s", value);
}

static void check_combination(void)
{
    if (!options.mode || !options.port)
        fail("--mode and --port are needed");
    if (options.tls != TLS_NONE && !options.certificate)
        fail("--tls needs --certificate");
    /* asyncio cannot write after the peer has sent close_notify. */
    if (options.tls != TLS_NONE && !strcmp(options.mode, "sink"))
        fail("a sink says its count after the end of input, which is not possible with TLS everywhere: use blocks");
    if (options.tls == TLS_RESUMED && strcmp(options.mode, "connect"))
        fail("sessions are resumed in the mode connect only");
}

void options_parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(name, "--mode"))
            set_mode(value);
        else if (!strcmp(name, "--port"))
            options.port = (int)parse_number(name, value, 1, 65535);
        else if (!strcmp(name, "--pid"))
            options.pid = (int)parse_number(name, value, 0, 1 << 30);
        else if (!strcmp(name, "--cpu"))
            options.cpu = (int)parse_number(name, value, -1, 1023);
        else if (!strcmp(name, "--connections"))
            options.connections = (int)parse_number(name, value, 1, 100000);
        else if (!strcmp(name, "--batch"))
            options.batch = (int)parse_number(name, value, 1, 100000);
        else if (!strcmp(name, "--size"))
            options.size = (size_t)parse_number(name, value, 1, 1 << 26);
        else if (!strcmp(name, "--warmup"))
            options.warmup = parse_number(name, value, 0, 600);
        else if (!strcmp(name, "--seconds"))
            options.seconds = parse_number(name, value, 0.001, 600);
        else if (!strcmp(name, "--seed"))
            options.seed = (uint64_t)parse_number(name, value, 1, 1e15);
        else if (!strcmp(name, "--tls"))
            options.tls = parse_tls_mode(value);
        else if (!strcmp(name, "--certificate"))
            options.certificate = value;
        else
            fail("there is no option %s", name);
    }
    check_combination();
}
