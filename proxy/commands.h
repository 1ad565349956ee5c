/*
 * What the kubelet runs in the proxy's container where the proxy is an ordinary one: there is no
 * shell in the image.
 *
 *     outrigger-proxy await-ready PORT TIME   until /readyz of the admin port says 200; 1 when it
 *                                             does not within TIME
 *     outrigger-proxy pause TIME              for so long
 */
#ifndef OUTRIGGER_PROXY_COMMANDS_H
#define OUTRIGGER_PROXY_COMMANDS_H

struct command;

/* NULL: the word is no command. */
const struct command *command_find(const char *word);

/* argv[0] is the command. The process's exit code. */
int command_run(const struct command *command, int argc, char **argv);

#endif
