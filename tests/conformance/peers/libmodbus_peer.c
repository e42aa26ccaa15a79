/* A mailbox image that libmodbus serves as plain memory, driven over stdin: each line writes runs
 * of registers, "address:hex;address:hex"; the answer is the host's registers as hex, or "=" if
 * they have not changed since the last answer. Usage: libmodbus_peer REGISTERS */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEATS = 40, EVENTS = 1208, CLIENTS_MAX = 8 };

static modbus_mapping_t *mapping;
static char last[4 * (EVENTS - SEATS) + 1];

static bool serve(modbus_t *modbus, int client) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(modbus, client);
    int length = modbus_receive(modbus, query);
    if (length <= 0) return length == 0;
    return modbus_reply(modbus, query, length, mapping) >= 0;
}

static void write_run(char *run) {
    char *hex = strchr(run, ':');
    if (!hex) return;
    int at = atoi(run);
    for (hex++; strlen(hex) >= 4 && at < mapping->nb_registers; hex += 4) {
        char digits[5] = {hex[0], hex[1], hex[2], hex[3], 0};
        mapping->tab_registers[at++] = (uint16_t)strtoul(digits, NULL, 16);
    }
}

static void answer(void) {
    static char seats[sizeof last];
    for (int at = SEATS; at < EVENTS; at++)
        snprintf(seats + 4 * (at - SEATS), 5, "%04x", mapping->tab_registers[at]);
    puts(strcmp(seats, last) ? seats : "=");
    fflush(stdout);
    memcpy(last, seats, sizeof last);
}

int main(int count, char **words) {
    mapping = modbus_mapping_new(0, 0, count > 1 ? atoi(words[1]) : 0, 0);
    modbus_t *modbus = modbus_new_tcp("127.0.0.1", 1502);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    if (!mapping || !modbus || bind(listener, (struct sockaddr *)&where, size) ||
        listen(listener, CLIENTS_MAX) || getsockname(listener, (struct sockaddr *)&where, &size))
        return 1;
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    char *line = NULL;
    size_t capacity = 0;
    int clients[CLIENTS_MAX], client_count = 0;
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(STDIN_FILENO, &ready);
        FD_SET(listener, &ready);
        int highest = listener;
        for (int i = 0; i < client_count; i++) {
            FD_SET(clients[i], &ready);
            if (clients[i] > highest) highest = clients[i];
        }
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return 1;
        for (int i = client_count - 1; i >= 0; i--)
            if (FD_ISSET(clients[i], &ready) && !serve(modbus, clients[i])) {
                close(clients[i]);
                clients[i] = clients[--client_count];
            }
        if (FD_ISSET(listener, &ready)) {
            int client = accept(listener, NULL, NULL);
            if (client >= 0 && client_count == CLIENTS_MAX) close(client);
            else if (client >= 0) clients[client_count++] = client;
        }
        if (!FD_ISSET(STDIN_FILENO, &ready)) continue;
        /* One line waits for its answer before the next, so stdio never holds a second one. */
        if (getline(&line, &capacity, stdin) < 0) return 0;
        for (char *run = strtok(line, ";\n"); run; run = strtok(NULL, ";\n")) write_run(run);
        answer();
    }
}
