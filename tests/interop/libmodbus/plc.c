/* A small sorter with its PLC, in C with libmodbus: written from the printed register map alone
 * (plc_adapters/mailbox/REGISTERS.md), to show that the map is enough.
 *
 * Pieces are inducted at a rate, scanned SCAN_MS later, pass the chutes in the order of their
 * positions, and go round again if none took them. It waits for a host, prints its port as JSON on
 * the first line, and a summary on the last one when every piece has ended and every event was
 * acknowledged. All is done between two cycles of one thread, as a PLC does it. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "program.h"
#include "registers.h"

static volatile sig_atomic_t stopped;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "plc: %s: %s\n", what, why);
    exit(1);
}

static uint64_t clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The network. */

static bool serve(modbus_t *modbus, modbus_mapping_t *mapping, int client) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(modbus, client);
    int length = modbus_receive(modbus, query);
    if (length <= 0) return length == 0;
    const uint8_t *pdu = query + modbus_get_header_length(modbus);
    int first = pdu[1] << 8 | pdu[2], count = pdu[0] == 16 ? pdu[3] << 8 | pdu[4] : 1;
    if (pdu[0] != 3 && pdu[0] != 6 && pdu[0] != 16)
        return modbus_reply_exception(modbus, query, MODBUS_EXCEPTION_ILLEGAL_FUNCTION) >= 0;
    if (pdu[0] != 3 && (first < SEAT(0) || first + count > SEATS_END))
        return modbus_reply_exception(modbus, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS) >= 0;
    return modbus_reply(modbus, query, length, mapping) >= 0;
}

static void run(modbus_t *modbus, modbus_mapping_t *mapping, int listener) {
    int clients[CLIENTS_MAX], client_count = 0;
    uint64_t start = clock_ms(), next_cycle = 0;
    while (!stopped && !all_done()) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(listener, &ready);
        int highest = listener;
        for (int i = 0; i < client_count; i++) {
            FD_SET(clients[i], &ready);
            if (clients[i] > highest) highest = clients[i];
        }
        uint64_t passed = clock_ms() - start, rest = next_cycle > passed ? next_cycle - passed : 0;
        struct timeval timeout = {0, (suseconds_t)rest * 1000};
        if (select(highest + 1, &ready, NULL, NULL, &timeout) < 0) {
            if (errno != EINTR) fail("select", strerror(errno));
            continue;
        }
        for (int i = client_count - 1; i >= 0; i--)
            if (FD_ISSET(clients[i], &ready) && !serve(modbus, mapping, clients[i])) {
                close(clients[i]);
                clients[i] = clients[--client_count];
            }
        if (FD_ISSET(listener, &ready)) {
            int client = accept(listener, NULL, NULL);
            if (client >= 0 && client_count == CLIENTS_MAX) close(client);
            else if (client >= 0) clients[client_count++] = client;
        }
        now_ms = clock_ms() - start;
        if (now_ms < next_cycle) continue;
        next_cycle = now_ms + CYCLE_MS;
        cycle();
    }
    for (int i = 0; i < client_count; i++) close(clients[i]);
}

/* The command. */

static int by_position(const void *a, const void *b) {
    return ((const Gate *)a)->position_mm - ((const Gate *)b)->position_mm;
}

static void load_chutes(const char *path, int speed_mm_s, char *full) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path, strerror(errno));
    char line[LABEL_MAX];
    while (fgets(line, sizeof line, file)) {
        int chute, position_mm;
        if (sscanf(line, "%d,%d", &chute, &position_mm) != 2) continue; /* the heading */
        if (chute < 1 || chute > CHUTE_NUMBER_MAX || gate_count == CHUTE_NUMBER_MAX)
            fail(path, "chutes must be numbered from 1 to 1023, each once");
        gates[gate_count++] = (Gate){chute, position_mm, false,
                                     (uint64_t)position_mm * 1000 / (uint64_t)speed_mm_s};
    }
    fclose(file);
    qsort(gates, (size_t)gate_count, sizeof gates[0], by_position);
    for (int i = 0; i <= CHUTE_NUMBER_MAX; i++) gate_of[i] = -1;
    for (int i = 0; i < gate_count; i++) gate_of[gates[i].chute] = i;
    for (char *one = full ? strtok(full, ",") : NULL; one; one = strtok(NULL, ",")) {
        int chute = atoi(one);
        if (chute < 1 || chute > CHUTE_NUMBER_MAX || gate_of[chute] < 0)
            fail("-f", "names a chute that the chute file does not have");
        gates[gate_of[chute]].full = true;
    }
    if (!gate_count) fail(path, "has no chutes; give lines of chute,position_mm");
    if (default_chute < 1 || default_chute > CHUTE_NUMBER_MAX || gate_of[default_chute] < 0)
        fail("-d", "names a chute that the chute file does not have");
    lap_ms = gates[gate_count - 1].travel_ms + SCAN_MS;
}

static void load_labels(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path, strerror(errno));
    for (uint32_t id = 1; id <= wanted; id++) {
        if (!fgets(pieces[id].label, LABEL_MAX, file)) fail(path, "has fewer lines than pieces");
        pieces[id].label[strcspn(pieces[id].label, "\r\n")] = 0;
    }
    fclose(file);
}

static void print_summary(void) {
    uint32_t by_status[LAP_LIMIT_REACHED + 1] = {0};
    for (uint32_t id = 1; id <= inducted; id++) by_status[pieces[id].status]++;
    printf("{\"complete\": %s, \"inducted\": %" PRIu32 ", \"ended\": %" PRIu32 ", ",
           stopped ? "false" : "true", inducted, ended);
    printf("\"sorted\": %" PRIu32 ", \"default_no_instruction\": %" PRIu32 ", ", by_status[SORTED],
           by_status[NO_INSTRUCTION]);
    printf("\"default_host_silent\": %" PRIu32 ", \"default_lap_limit\": %" PRIu32 ", ",
           by_status[SILENT_HOST], by_status[LAP_LIMIT_REACHED]);
    printf("\"recirculated\": %" PRIu32 ", \"overflow\": %" PRIu32 ", \"head\": %" PRIu32 ", ",
           recirculated, overflow, head);
    const char *names[] = {"accepted", "refused_epoch", "refused_held",
                           "unknown_piece", "too_late", "malformed"};
    for (int i = ACCEPTED; i < ANSWERS; i++)
        printf("\"%s\": %" PRIu32 ", ", names[i - 1], answers[i]);
    printf("\"epoch\": %" PRIu32 ", \"latency_max_ms\": %" PRIu64 ", \"chutes\": [", granted_epoch,
           latency_max_ms);
    for (uint32_t id = 1; id <= inducted; id++) printf("%s%d", id > 1 ? "," : "", pieces[id].chute);
    printf("]}\n");
}

static void stop(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

int main(int argc, char **argv) {
    const char *usage = "usage: plc -n PIECES -r PER_SECOND -l LABELS.txt -c CHUTES.csv -d "
                        "DEFAULT_CHUTE [-p PORT] [-v SPEED_MM_S] [-f FULL,...] "
                        "[-q LAST_SEQUENCE] [-L]";
    int option, port = 0, speed_mm_s = 2000;
    double per_second = 0;
    char *labels = NULL, *chutes = NULL, *full = NULL;
    uint32_t last_sequence = 0;
    while ((option = getopt(argc, argv, "n:r:l:c:d:p:v:f:q:L")) != -1) switch (option) {
        case 'n': wanted = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'r': per_second = atof(optarg); break;
        case 'l': labels = optarg; break;
        case 'c': chutes = optarg; break;
        case 'd': default_chute = atoi(optarg); break;
        case 'p': port = atoi(optarg); break;
        case 'v': speed_mm_s = atoi(optarg); break;
        case 'f': full = optarg; break;
        case 'q': last_sequence = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'L': low_first = true; break; /* words and text bytes, low one first */
        default: fail("arguments", usage);
        }
    if (!wanted || wanted > PIECES_MAX || per_second <= 0 || speed_mm_s <= 0 || !labels || !chutes)
        fail("arguments", usage);
    pieces = calloc(wanted + 1, sizeof *pieces);
    modbus_t *modbus = modbus_new_tcp("127.0.0.1", port);
    modbus_mapping_t *mapping = modbus_mapping_new(0, 0, REGISTERS, 0);
    if (!pieces || !modbus || !mapping) fail("memory", "there is not enough");
    image = mapping->tab_registers;
    load_chutes(chutes, speed_mm_s, full);
    load_labels(labels);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int listener = modbus_tcp_listen(modbus, CLIENTS_MAX);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &size))
        fail("listening", strerror(errno));
    uint32_t boot_id = (uint32_t)time(NULL) ^ (uint32_t)getpid() << 16;
    start_program(last_sequence, boot_id ? boot_id : 1);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    every_ms = (uint64_t)(1000 / per_second);
    run(modbus, mapping, listener);
    print_summary();
    close(listener);
    modbus_mapping_free(mapping);
    modbus_free(modbus);
    free(pieces);
    return 0;
}
