/* The registers, typed by hand from plc_adapters/mailbox/registers.csv: base address 0, 256 event
 * slots if not told otherwise. Nothing else of the service is known here. */
#ifndef REGISTERS_H
#define REGISTERS_H

#ifndef EVENT_SLOTS
#define EVENT_SLOTS 256
#endif
#define REGISTERS (1208 + 40 * EVENT_SLOTS)
#define MAGIC 0
#define MAGIC_TEXT 2
#define LAYOUT_VERSION 4
#define SLOTS 5
#define BOOT_ID 6
#define HEARTBEAT 8
#define MACHINE_STATE 9
#define PLC_TIME_MS 10
#define HEAD_SEQUENCE 12
#define ACKNOWLEDGED 14
#define OVERFLOW_COUNT 16
#define GRANTED_EPOCH 18
#define GRANTED_SEAT 20
#define HOST_SILENT 21
#define REFUSED_COUNT 22
#define CONSUMED(seat) (24 + 2 * (seat))
#define INDUCTED_COUNT 28
#define ENDED_COUNT 30
#define DEFAULTED_COUNT 32
#define SEATS 2
#define SEAT(seat) ((seat) == 0 ? 40 : 624)
#define SEAT_EPOCH 1
#define SEAT_ACKNOWLEDGE 3
#define SEATS_END 1208
#define INSTRUCTION_SLOTS 32
#define INSTRUCTION(seat, sequence) \
    (((seat) == 0 ? 48 : 632) + 18 * (int)((sequence) % INSTRUCTION_SLOTS))
#define CHECK 15
#define EVENT(sequence) (1208 + 40 * (int)((sequence) % EVENT_SLOTS))

#endif
