/* The PLC's program, from the rules of the printed register map. */
#include "program.h"

#include <string.h>

#include "registers.h"

typedef struct {
    uint16_t kind, status, station, chute, lap;
    uint32_t piece, time_ms;
    bool measured;
    const char *label;
    uint32_t answered; /* sequence of the instruction that this answers */
    Instruction held;
} Event;

uint16_t *image;
bool low_first;
uint64_t now_ms, lap_ms, every_ms;
Piece *pieces;
uint32_t wanted, inducted, ended;
Gate gates[CHUTE_NUMBER_MAX];
int gate_count, default_chute, gate_of[CHUTE_NUMBER_MAX + 1];
uint32_t head, overflow, granted_epoch, recirculated, answers[ANSWERS];
uint64_t latency_max_ms;

static Event queue[QUEUE_MAX];
static int queue_first, queue_count;
static uint32_t acknowledged, consumed[SEATS], defaulted, first_live = 1;
static uint16_t granted_seat, last_beat, machine_state = SUSPENDED;
static uint64_t next_piece_ms, beat_ms;
static bool host_silent = true;

/* The image. */

static uint32_t get32(int at) {
    return low_first ? (uint32_t)image[at + 1] << 16 | image[at]
                     : (uint32_t)image[at] << 16 | image[at + 1];
}

static void put32(int at, uint32_t value) {
    image[at + (low_first ? 1 : 0)] = (uint16_t)(value >> 16);
    image[at + (low_first ? 0 : 1)] = (uint16_t)value;
}

static void put_text(int at, int bytes, const char *text, size_t length) {
    for (int i = 0; i < bytes; i += 2) {
        unsigned char a = (size_t)i < length ? (unsigned char)text[i] : 0;
        unsigned char b = (size_t)i + 1 < length ? (unsigned char)text[i + 1] : 0;
        image[at + i / 2] = (uint16_t)(low_first ? b << 8 | a : a << 8 | b);
    }
}

static uint32_t next(uint32_t sequence) { return sequence == UINT32_MAX ? 1 : sequence + 1; }

/* Events. */

static uint16_t cell_of(uint32_t piece) { return (uint16_t)(piece ? 1 + piece % CELLS_MAX : 0); }

static void report(Event event) {
    if (queue_count == QUEUE_MAX) {
        overflow++;
        return;
    }
    event.time_ms = (uint32_t)(FIRST_TIME_MS + now_ms);
    queue[(queue_first + queue_count++) % QUEUE_MAX] = event;
}

static int codes_in(const char *label) {
    int count = label && *label ? 1 : 0;
    for (const char *c = label; count && *c; c++) count += *c == '|';
    return count;
}

static const char *code_at(const char *label, int part, size_t *length) {
    while (part--) label = strchr(label, '|') + 1;
    *length = strcspn(label, "|");
    return label;
}

static void write_slot(uint32_t sequence, const Event *event, int part, int parts) {
    int at = EVENT(sequence);
    put32(at, sequence);
    image[at + 2] = event->kind;
    image[at + 3] = event->status;
    put32(at + 4, event->piece);
    image[at + 6] = event->station;
    image[at + 7] = event->chute;
    image[at + 8] = event->kind == INSTRUCTED && event->status == UNKNOWN_PIECE
                        ? 0 : cell_of(event->piece);
    image[at + 9] = event->lap;
    put32(at + 10, event->time_ms);
    put32(at + 12, event->measured ? 100 + event->piece % 5000 : UINT32_MAX);
    for (int i = 0; i < 3; i++)
        image[at + 14 + i] = (uint16_t)(event->measured ? 300 - 50 * i : -1);
    image[at + 17] = (uint16_t)(part << 8 | parts);
    size_t length = 0;
    const char *code = parts ? code_at(event->label, part, &length) : "";
    put_text(at + 18, CODE_BYTES, code, length);
    if (event->kind == INSTRUCTED) {
        put32(at + 18, event->answered);
        put32(at + 20, event->held.epoch);
        image[at + 22] = event->held.revision;
        memcpy(image + at + 23, event->held.chutes, sizeof event->held.chutes);
        image[at + 27] = event->held.disposition;
        put32(at + 28, event->held.plan);
        put32(at + 30, event->held.deadline);
    }
    put32(at + 38, sequence);
}

static void publish(void) {
    while (queue_count) {
        Event *event = &queue[queue_first];
        int codes = codes_in(event->label), parts = codes < CODES_MAX ? codes : CODES_MAX;
        uint32_t newest = head;
        for (int i = 0; i < (parts ? parts : 1); i++) newest = next(newest);
        if (newest - acknowledged > EVENT_SLOTS) return;
        for (int part = 0; part < (parts ? parts : 1); part++) {
            head = next(head);
            write_slot(head, event, part, parts);
        }
        queue_first = (queue_first + 1) % QUEUE_MAX;
        queue_count--;
    }
}

/* The sorter. */

static int place_in(const Piece *piece, int chute) {
    for (int i = 0; piece->held && i < 4; i++)
        if (piece->instruction.chutes[i] == chute) return i;
    return -1;
}

static void discharge(uint32_t id, int gate, uint16_t status) {
    Piece *piece = &pieces[id];
    piece->live = false;
    piece->chute = (uint16_t)gates[gate].chute;
    piece->status = status;
    ended++;
    defaulted += status != SORTED;
    report((Event){.kind = DISCHARGED, .status = status, .piece = id, .chute = piece->chute,
                   .lap = piece->lap});
}

static void at_gate(uint32_t id, int gate) {
    Piece *piece = &pieces[id];
    int place = place_in(piece, gates[gate].chute);
    bool defaults = gates[gate].chute == default_chute && (!piece->held || piece->lap >= LAP_LIMIT);
    if (place < 0 && !defaults) return;
    if (gates[gate].full) {
        piece->aborted |= ABORTED_FULL;
        return;
    }
    for (int i = 0; i < place; i++) {
        int better = gate_of[piece->instruction.chutes[i]];
        if (better > gate && !gates[better].full) return;
    }
    if (place >= 0) discharge(id, gate, SORTED);
    else if (piece->held) discharge(id, gate, LAP_LIMIT_REACHED);
    else discharge(id, gate, host_silent ? SILENT_HOST : NO_INSTRUCTION);
}

static void scan(uint32_t id) {
    Piece *piece = &pieces[id];
    if (piece->scanned) {
        piece->lap++;
        piece->held = false;
        piece->next_gate = 0;
        recirculated++;
    }
    piece->scanned = true;
    uint16_t status = piece->aborted;
    int codes = codes_in(piece->label);
    if (codes > CODES_MAX) status |= MORE_CODES;
    for (int i = 0; i < codes && i < CODES_MAX; i++) {
        size_t length;
        code_at(piece->label, i, &length);
        if (length > CODE_BYTES) status |= CODE_CUT;
    }
    piece->aborted = 0;
    report((Event){.kind = SCANNED, .status = status, .piece = id, .station = SCANNER,
                   .lap = piece->lap, .measured = true, .label = piece->label});
}

static void move_pieces(void) {
    for (uint32_t id = first_live; id <= inducted; id++) {
        Piece *piece = &pieces[id];
        while (piece->live && now_ms >= piece->scan_ms) {
            if (!piece->scanned) scan(id);
            while (piece->live && piece->next_gate < gate_count &&
                   now_ms >= piece->scan_ms + gates[piece->next_gate].travel_ms)
                at_gate(id, piece->next_gate++);
            if (!piece->live || now_ms < piece->scan_ms + lap_ms) break;
            piece->scan_ms += lap_ms;
            scan(id);
        }
    }
    while (first_live <= inducted && !pieces[first_live].live) first_live++;
}

static void induct(void) {
    bool ring_low = head - acknowledged + (uint32_t)queue_count >= EVENT_SLOTS * 3 / 4;
    if (machine_state != EXECUTE || ring_low || inducted == wanted) return;
    if (now_ms < next_piece_ms || inducted + 1 - first_live >= CELLS_MAX) return;
    uint32_t id = ++inducted;
    pieces[id].live = true;
    pieces[id].scan_ms = now_ms + SCAN_MS;
    next_piece_ms = now_ms + every_ms;
    report((Event){.kind = INDUCTED, .piece = id, .station = STATION});
}

/* The hosts. */

static void watch_hosts(void) {
    uint16_t beat = image[SEAT(granted_seat)];
    if (granted_epoch && get32(SEAT(granted_seat) + SEAT_EPOCH) == granted_epoch) {
        if (beat != last_beat) beat_ms = now_ms;
        last_beat = beat;
    }
    host_silent = !granted_epoch || now_ms - beat_ms >= WATCHDOG_MS;
    for (int seat = 0; host_silent && seat < SEATS; seat++) {
        uint32_t other = get32(SEAT(1 - seat) + SEAT_EPOCH);
        uint32_t claim = get32(SEAT(seat) + SEAT_EPOCH);
        if (claim <= granted_epoch || claim < other) continue;
        granted_epoch = claim;
        granted_seat = (uint16_t)seat;
        last_beat = image[SEAT(seat)];
        beat_ms = now_ms;
        host_silent = false;
    }
}

static void take_acknowledgement(void) {
    if (!granted_epoch) return;
    uint32_t a = get32(SEAT(granted_seat) + SEAT_ACKNOWLEDGE);
    if (a && a != acknowledged && a - acknowledged <= head - acknowledged) acknowledged = a;
}

static bool well_formed(int at, const Instruction *instruction) {
    uint16_t sum = 0;
    for (int i = 0; i < CHECK; i++) sum = (uint16_t)(sum + image[at + i]);
    bool blank = false, good = sum == image[at + CHECK];
    for (int i = 0; i < 4; i++) {
        int chute = instruction->chutes[i];
        if (chute && (blank || chute > CHUTE_NUMBER_MAX || gate_of[chute] < 0)) good = false;
        blank = blank || !chute;
    }
    return good;
}

static uint16_t judge(int seat, int at, const Instruction *instruction, const Piece *piece) {
    if (!well_formed(at, instruction)) return MALFORMED;
    if (!granted_epoch || instruction->epoch != granted_epoch || seat != granted_seat)
        return REFUSED_EPOCH;
    if (!piece || instruction->lap > piece->lap) return UNKNOWN_PIECE;
    if (instruction->lap == piece->lap && piece->held &&
        instruction->revision <= piece->instruction.revision)
        return REFUSED_HELD;
    bool passed = instruction->chutes[0] != 0;
    for (int i = 0; i < 4 && instruction->chutes[i]; i++)
        if (gate_of[instruction->chutes[i]] >= piece->next_gate) passed = false;
    return passed || instruction->lap < piece->lap ? TOO_LATE : ACCEPTED;
}

static void take_instruction(int seat, int at, uint32_t sequence) {
    Instruction instruction = {
        .epoch = get32(at), .piece = get32(at + 2), .lap = image[at + 4], .revision = image[at + 5],
        .disposition = image[at + 10], .plan = get32(at + 11), .deadline = get32(at + 13),
        .sequence = sequence};
    memcpy(instruction.chutes, image + at + 6, sizeof instruction.chutes);
    uint32_t id = instruction.piece;
    Piece *piece = id && id <= inducted && pieces[id].live ? &pieces[id] : NULL;
    uint16_t answer = judge(seat, at, &instruction, piece);
    answers[answer]++;
    if (answer == ACCEPTED) {
        piece->instruction = instruction;
        piece->held = true;
        if (piece->scanned && now_ms - piece->scan_ms > latency_max_ms)
            latency_max_ms = now_ms - piece->scan_ms;
    }
    Event event = {.kind = INSTRUCTED, .status = answer, .piece = id, .answered = sequence,
                   .lap = piece ? piece->lap : instruction.lap};
    if (piece && piece->held) event.held = piece->instruction;
    report(event);
}

static void take_instructions(void) {
    for (int seat = 0; seat < SEATS; seat++)
        for (int i = 0; i < INSTRUCTION_SLOTS; i++) {
            uint32_t sequence = next(consumed[seat]);
            int at = INSTRUCTION(seat, sequence);
            if (get32(at + 16) != sequence) break;
            consumed[seat] = sequence;
            take_instruction(seat, at, sequence);
        }
}

static void watch_machine(void) {
    if (machine_state == EXECUTE || !granted_epoch) return;
    machine_state = EXECUTE;
    report((Event){.kind = MACHINE, .status = EXECUTE});
}

static void write_header(void) {
    image[HEARTBEAT]++;
    image[MACHINE_STATE] = machine_state;
    put32(PLC_TIME_MS, (uint32_t)(FIRST_TIME_MS + now_ms));
    put32(HEAD_SEQUENCE, head);
    put32(ACKNOWLEDGED, acknowledged);
    put32(OVERFLOW_COUNT, overflow);
    put32(GRANTED_EPOCH, granted_epoch);
    image[GRANTED_SEAT] = granted_seat;
    image[HOST_SILENT] = host_silent;
    put32(REFUSED_COUNT, answers[REFUSED_EPOCH]);
    for (int seat = 0; seat < SEATS; seat++) put32(CONSUMED(seat), consumed[seat]);
    put32(INDUCTED_COUNT, inducted);
    put32(ENDED_COUNT, ended);
    put32(DEFAULTED_COUNT, defaulted);
}

void start_program(uint32_t last_sequence, uint32_t boot_id) {
    head = acknowledged = last_sequence;
    put32(MAGIC, 0x12345678);
    put_text(MAGIC_TEXT, 4, "ABCD", 4);
    image[LAYOUT_VERSION] = 1;
    image[SLOTS] = EVENT_SLOTS;
    put32(BOOT_ID, boot_id);
    report((Event){.kind = MACHINE, .status = machine_state});
    for (int i = 0; i < gate_count; i++)
        if (gates[i].full)
            report((Event){.kind = CHUTE_STATE, .status = FULL, .chute = (uint16_t)gates[i].chute});
    write_header();
}

void cycle(void) {
    move_pieces();
    induct();
    watch_hosts();
    watch_machine();
    take_acknowledgement();
    take_instructions();
    publish();
    write_header();
}

bool all_done(void) { return ended == wanted && !queue_count && acknowledged == head; }
