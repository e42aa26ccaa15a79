/* PLCs that cost next to nothing, for the bench of saturation: each line inducts, scans and
 * discharges by a schedule drawn beforehand, whatever its host does, and notes for each piece how
 * long after the instant its scan was due it held the answer. One process, one thread, LINES
 * mailboxes over libmodbus.
 *
 * Prints {} once it listens, on PORT and the ports after it. Each line on stdin, "PER_SECOND SECONDS
 * STOPS", is a step: so many pieces a second over all lines, for so long; when all have ended and every
 * event was acknowledged, after DRAIN_MS, or where STOPS is 1 as soon as a piece was not answered in
 * time, it prints what it saw as JSON. Ends with stdin.
 * Usage: saturation_plc PORT LINES LABELS.txt DEADLINE_MS */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "registers.h"

enum { LINES_MAX = 64, LABELS_MAX = 100000, LABEL_MAX = 200, CODES_MAX = 4, CODE_BYTES = 40 };
enum { CYCLE_US = 1000, INDUCT_US = 100000, DRAIN_MS = 10000, TRACKED = 1 << 16 };
enum { EXECUTE = 2, INDUCTED = 1, SCANNED, INSTRUCTED, DISCHARGED, ACCEPTED = 1, MALFORMED = 6 };
enum { SORTED = 1, NO_INSTRUCTION, SCANNER = 11, DEFAULT_CHUTE = 60 };
enum { BUCKET_US = 100, BUCKETS = 100000 };

typedef struct {
    uint64_t scan_us;
    uint16_t chute;
    bool held;
} Piece;

typedef struct {
    modbus_mapping_t *mapping;
    uint16_t *image;
    int listener, client;
    uint32_t head, acknowledged, granted_epoch, consumed, inducted, scanned, ended;
    uint64_t next_us, random;
    Piece pieces[TRACKED]; /* by id, modulo TRACKED */
} Line;

static Line *lines;
static int line_count, label_count;
static char (*labels)[LABEL_MAX];
static uint64_t now_us, begin_us, end_us, deadline_us, gap_us;
static uint32_t latencies[BUCKETS];
static uint64_t longest_us, late, unanswered, overflow, refused, events;
static modbus_t *modbus;
static int stops;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "saturation_plc: %s: %s\n", what, why);
    exit(1);
}

static uint64_t clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint32_t get32(const uint16_t *at) { return (uint32_t)at[0] << 16 | at[1]; }

static void put32(uint16_t *at, uint32_t value) {
    at[0] = (uint16_t)(value >> 16);
    at[1] = (uint16_t)value;
}

/* The PLC's program. */

static uint16_t *next_slot(Line *line, uint16_t kind, uint16_t status, uint32_t piece) {
    if (line->head - line->acknowledged >= EVENT_SLOTS) {
        overflow++;
        return NULL;
    }
    events++;
    uint16_t *slot = line->image + EVENT(++line->head);
    memset(slot, 0, 40 * sizeof *slot);
    put32(slot, line->head);
    slot[2] = kind;
    slot[3] = status;
    put32(slot + 4, piece);
    slot[8] = (uint16_t)(1 + piece % 1000);
    put32(slot + 10, (uint32_t)(now_us / 1000));
    put32(slot + 12, UINT32_MAX);
    for (int i = 14; i < 17; i++) slot[i] = UINT16_MAX;
    put32(slot + 38, line->head);
    return slot;
}

static void induct(Line *line) {
    uint32_t id = ++line->inducted;
    line->pieces[id % TRACKED] = (Piece){.scan_us = line->next_us + INDUCT_US};
    uint16_t *slot = next_slot(line, INDUCTED, 0, id);
    if (slot) slot[6] = 1;
    /* Independent arrivals: exponential gaps (xorshift64*, Vigna 2016). */
    line->random ^= line->random >> 12;
    line->random ^= line->random << 25;
    line->random ^= line->random >> 27;
    double uniform = (double)(line->random * 2685821657736338717ull >> 11) / 9007199254740992.0;
    line->next_us += (uint64_t)(-log(1 - uniform) * (double)gap_us);
}

static void scan(Line *line) {
    uint32_t id = ++line->scanned;
    const char *label = labels[(id + (uint32_t)(line - lines) * 997) % (uint32_t)label_count];
    int parts = *label != 0;
    for (const char *c = label; *c; c++) parts += *c == '|';
    if (parts > CODES_MAX) parts = CODES_MAX;
    for (int part = 0; part < (parts ? parts : 1); part++) {
        uint16_t *slot = next_slot(line, SCANNED, 0, id);
        if (!slot) return;
        size_t length = strcspn(label, "|");
        slot[6] = SCANNER;
        slot[17] = (uint16_t)(part << 8 | parts);
        for (size_t i = 0; i < length && i < CODE_BYTES; i++)
            slot[18 + i / 2] |= (uint16_t)((unsigned char)label[i] << (i % 2 ? 0 : 8));
        label += length + (label[length] == '|');
    }
}

static void discharge(Line *line) {
    uint32_t id = ++line->ended;
    const Piece *piece = &line->pieces[id % TRACKED];
    unanswered += !piece->held;
    uint16_t *slot = next_slot(line, DISCHARGED, piece->held ? SORTED : NO_INSTRUCTION, id);
    if (slot) slot[7] = piece->held ? piece->chute : DEFAULT_CHUTE;
}

static void take_instruction(Line *line, const uint16_t *at, uint32_t sequence) {
    uint16_t sum = 0, status = ACCEPTED;
    for (int i = 0; i < CHECK; i++) sum = (uint16_t)(sum + at[i]);
    uint32_t id = get32(at + 2);
    Piece *piece = &line->pieces[id % TRACKED];
    if (sum != at[CHECK] || get32(at) != line->granted_epoch || id - 1 >= line->inducted)
        status = MALFORMED;
    bool in_time = id > line->ended;
    if (status == ACCEPTED && !piece->held) {
        uint64_t latency = now_us > piece->scan_us ? now_us - piece->scan_us : 0;
        uint64_t bucket = latency / BUCKET_US;
        latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
        if (latency > longest_us) longest_us = latency;
        late += latency > deadline_us;
        piece->held = in_time;
        piece->chute = at[6];
    }
    refused += status != ACCEPTED;
    uint16_t *slot = next_slot(line, INSTRUCTED, status, id);
    if (!slot) return;
    put32(slot + 18, sequence);
    put32(slot + 20, get32(at));
    memcpy(slot + 22, at + 5, 10 * sizeof *slot); /* revision to deadline */
}

static void cycle(Line *line) {
    uint16_t *image = line->image, *seat = image + SEAT(0);
    uint32_t claim = get32(seat + SEAT_EPOCH), heard = get32(seat + SEAT_ACKNOWLEDGE);
    if (claim > line->granted_epoch) line->granted_epoch = claim;
    if (heard - line->acknowledged <= line->head - line->acknowledged) line->acknowledged = heard;
    while (line->next_us <= now_us && line->next_us < end_us) induct(line);
    while (line->scanned < line->inducted &&
           line->pieces[(line->scanned + 1) % TRACKED].scan_us <= now_us)
        scan(line);
    for (;;) {
        uint32_t sequence = line->consumed + 1;
        const uint16_t *at = image + INSTRUCTION(0, sequence);
        if (get32(at + 16) != sequence) break;
        line->consumed = sequence;
        take_instruction(line, at, sequence);
    }
    while (line->ended < line->scanned &&
           line->pieces[(line->ended + 1) % TRACKED].scan_us + deadline_us <= now_us)
        discharge(line);
    image[HEARTBEAT]++;
    put32(image + PLC_TIME_MS, (uint32_t)(now_us / 1000));
    put32(image + HEAD_SEQUENCE, line->head);
    put32(image + ACKNOWLEDGED, line->acknowledged);
    put32(image + GRANTED_EPOCH, line->granted_epoch);
    put32(image + CONSUMED(0), line->consumed);
    put32(image + INDUCTED_COUNT, line->inducted);
    put32(image + ENDED_COUNT, line->ended);
}

static bool gives_up(void) { return stops && (late || unanswered || overflow || refused); }

static bool drained(void) {
    if (now_us < end_us) return false;
    for (Line *line = lines; line < lines + line_count; line++)
        if (line->ended < line->inducted || line->acknowledged != line->head) return false;
    return true;
}

/* The network. */

static void serve(Line *line) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(modbus, line->client);
    int length = modbus_receive(modbus, query);
    if (length == 0 || (length > 0 && modbus_reply(modbus, query, length, line->mapping) >= 0))
        return;
    close(line->client);
    line->client = -1;
}

/* Serve hosts and run the program until the end of the step, or until stdin has the next line. */
static void run(bool until_command) {
    static struct pollfd watched[2 * LINES_MAX + 1];
    uint64_t next_cycle = clock_us();
    for (;;) {
        int count = 0;
        for (Line *line = lines; line < lines + line_count; line++) {
            watched[count++] = (struct pollfd){.fd = line->client, .events = POLLIN};
            watched[count++] = (struct pollfd){.fd = line->listener, .events = POLLIN};
        }
        watched[count] = (struct pollfd){.fd = until_command ? STDIN_FILENO : -1, .events = POLLIN};
        now_us = clock_us();
        int wait_ms = next_cycle > now_us ? (int)((next_cycle - now_us + 999) / 1000) : 0;
        if (poll(watched, (nfds_t)count + 1, wait_ms) < 0 && errno != EINTR)
            fail("poll", strerror(errno));
        for (int i = 0; i < line_count; i++) {
            if (watched[2 * i].revents) serve(&lines[i]);
            if (!watched[2 * i + 1].revents) continue;
            int client = accept(lines[i].listener, NULL, NULL);
            if (lines[i].client >= 0) close(lines[i].client);
            lines[i].client = client;
        }
        if (watched[count].revents) return;
        now_us = clock_us();
        if (now_us < next_cycle) continue;
        next_cycle = now_us + CYCLE_US;
        for (int i = 0; i < line_count; i++) cycle(&lines[i]);
        if (!until_command && (gives_up() || drained() || now_us > end_us + DRAIN_MS * 1000)) return;
    }
}

/* The command. */

static void step(double per_second, double seconds) {
    memset(latencies, 0, sizeof latencies);
    longest_us = late = unanswered = overflow = refused = events = 0;
    begin_us = clock_us();
    end_us = begin_us + (uint64_t)(seconds * 1e6);
    gap_us = (uint64_t)(1e6 * line_count / per_second);
    uint64_t before = 0, after = 0, connected = 0;
    for (Line *line = lines; line < lines + line_count; line++) {
        line->next_us = begin_us + gap_us * (uint64_t)(line - lines) / (uint64_t)line_count;
        before += line->inducted;
    }
    run(false);
    for (Line *line = lines; line < lines + line_count; line++) {
        after += line->inducted;
        connected += line->client >= 0 && line->granted_epoch;
    }
    printf("{\"drained\": %s, \"lines\": %" PRIu64 ", \"pieces\": %" PRIu64 ", ",
           drained() ? "true" : "false", connected, after - before);
    printf("\"events\": %" PRIu64 ", \"late\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", ", events,
           late, unanswered);
    printf("\"overflow\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"longest_us\": %" PRIu64
           ", \"latency_us\": [",
           overflow, refused, longest_us);
    const char *comma = "";
    for (int i = 0; i < BUCKETS; i++)
        if (latencies[i]) {
            printf("%s[%d, %" PRIu32 "]", comma, (i + 1) * BUCKET_US, latencies[i]);
            comma = ", ";
        }
    printf("]}\n");
    fflush(stdout);
}

static void load_labels(const char *path) {
    FILE *file = fopen(path, "r");
    labels = calloc(LABELS_MAX, sizeof *labels);
    if (!file || !labels) fail(path, strerror(errno));
    while (label_count < LABELS_MAX && fgets(labels[label_count], LABEL_MAX, file)) {
        labels[label_count][strcspn(labels[label_count], "\r\n")] = 0;
        label_count++;
    }
    fclose(file);
    if (!label_count) fail(path, "has no labels; give one a line, codes with | between them");
}

static void start_line(Line *line, int port) {
    line->mapping = modbus_mapping_new(0, 0, REGISTERS, 0);
    line->listener = socket(AF_INET, SOCK_STREAM, 0);
    line->client = -1;
    line->random = 88172645463325252ull + (uint64_t)(line - lines) * 0x9e3779b97f4a7c15ull;
    struct sockaddr_in where = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int again = 1;
    setsockopt(line->listener, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    if (!line->mapping || bind(line->listener, (struct sockaddr *)&where, sizeof where) ||
        listen(line->listener, 1))
        fail("listening", strerror(errno));
    line->image = line->mapping->tab_registers;
    put32(line->image + MAGIC, 0x12345678);
    put32(line->image + MAGIC_TEXT, 0x41424344);
    line->image[LAYOUT_VERSION] = 1;
    line->image[SLOTS] = EVENT_SLOTS;
    line->image[MACHINE_STATE] = EXECUTE;
    put32(line->image + BOOT_ID, (uint32_t)getpid());
}

int main(int argc, char **argv) {
    if (argc != 5) fail("arguments", "usage: saturation_plc PORT LINES LABELS.txt DEADLINE_MS");
    line_count = atoi(argv[2]);
    deadline_us = (uint64_t)atoi(argv[4]) * 1000;
    if (line_count < 1 || line_count > LINES_MAX || !deadline_us)
        fail("arguments", "give 1 to 64 lines and a deadline above 0");
    load_labels(argv[3]);
    lines = calloc((size_t)line_count, sizeof *lines);
    modbus = modbus_new_tcp("127.0.0.1", 1502);
    if (!lines || !modbus) fail("memory", "there is not enough");
    for (int i = 0; i < line_count; i++) start_line(&lines[i], atoi(argv[1]) + i);
    printf("{}\n");
    fflush(stdout);
    char command[80];
    double per_second, seconds;
    for (;;) {
        run(true);
        if (!fgets(command, sizeof command, stdin)) return 0;
        if (sscanf(command, "%lf %lf %d", &per_second, &seconds, &stops) != 3 || per_second <= 0)
            fail(command, "give PER_SECOND SECONDS STOPS");
        step(per_second, seconds);
    }
}
