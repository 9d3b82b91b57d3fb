#ifndef SHORT_LIVED_H
#define SHORT_LIVED_H

/* Connect, exchange one line, close, and repeat until the measurement ends. */
void run_short_lived(int poller);

#endif
