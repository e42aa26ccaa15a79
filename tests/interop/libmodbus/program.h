/* The PLC's program: its limits, what it knows, and what the network and the command use of it. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define CYCLE_MS 5
#define WATCHDOG_MS 3000
#define SCAN_MS 100
#define LAP_LIMIT 5
#define STATION 1
#define SCANNER 11
#define FIRST_TIME_MS 0xFFFFF800u /* the counter wraps two seconds after the start */
#define CHUTE_NUMBER_MAX 1023
#define CELLS_MAX 1000
#define QUEUE_MAX 4096
#define PIECES_MAX 100000
#define CLIENTS_MAX 8
#define LABEL_MAX 200
#define CODES_MAX 4
#define CODE_BYTES 40

enum { EXECUTE = 2, SUSPENDED = 4 };
enum { INDUCTED = 1, SCANNED, INSTRUCTED, DISCHARGED, CHUTE_STATE, MACHINE };
enum { SORTED = 1, NO_INSTRUCTION, SILENT_HOST, LAP_LIMIT_REACHED };
enum { ACCEPTED = 1, REFUSED_EPOCH, REFUSED_HELD, UNKNOWN_PIECE, TOO_LATE, MALFORMED, ANSWERS };
enum { CODE_CUT = 1, MORE_CODES = 2, ABORTED_FULL = 16, FULL = 2 };

typedef struct {
    uint32_t epoch, piece, plan, deadline, sequence;
    uint16_t lap, revision, chutes[4], disposition;
} Instruction;

typedef struct {
    bool live, scanned, held;
    int next_gate;
    uint16_t lap, aborted, chute, status;
    uint64_t scan_ms; /* of this lap */
    Instruction instruction;
    char label[LABEL_MAX]; /* its codes, with | between them */
} Piece;

typedef struct {
    int chute, position_mm;
    bool full;
    uint64_t travel_ms; /* from the scanner */
} Gate;

extern uint16_t *image;   /* the registers */
extern bool low_first;    /* low word of a number and low byte of a text first */
extern uint64_t now_ms;   /* since the start */
extern uint64_t lap_ms;   /* from scanner to scanner */
extern uint64_t every_ms; /* from one induction to the next */
extern Piece *pieces;     /* by piece id, from 1 */
extern uint32_t wanted, inducted, ended;
extern Gate gates[CHUTE_NUMBER_MAX]; /* in the order that pieces pass them */
extern int gate_count, default_chute;
extern int gate_of[CHUTE_NUMBER_MAX + 1]; /* by chute; -1 for none */
extern uint32_t head, overflow, granted_epoch, recirculated, answers[ANSWERS];
extern uint64_t latency_max_ms; /* from scan to accepted instruction */

/* Write the constants and the first events; the first event follows last_sequence. */
void start_program(uint32_t last_sequence, uint32_t boot_id);
/* Do what a scan cycle does at the instant now_ms. */
void cycle(void);
/* Whether all pieces have ended and all events were acknowledged. */
bool all_done(void);

#endif
