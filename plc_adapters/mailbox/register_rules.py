"""The rules of the mailbox in words, as the printed register map carries them."""

from plc_adapters.contract import CODE_BYTES, CODES_MAX
from plc_adapters.mailbox.table import INSTRUCTION_SLOT, INSTRUCTION_SLOTS, SEATS

SUMMED = INSTRUCTION_SLOT.field("check").offset
"""Registers of an instruction that its check sum covers."""

TYPES = """\
## Types

| type | registers | IEC 61131-3 | meaning |
|---|---:|---|---|
| u16 | 1 | UINT, WORD | unsigned |
| i16 | 1 | INT | two's complement |
| u32 | 2 | UDINT, DWORD | unsigned; high word first, or low word first throughout |
| i32 | 2 | DINT | two's complement; words as for u32 |
| text[n] | n / 2 | ARRAY OF BYTE | n bytes, two a register; high one first, or low one throughout |

A number in square brackets after u16 or u32 repeats the type. Which word of a 32-bit value and
which byte of a text comes first is the PLC's choice; the host is configured to it (`word_order`,
`string_byte_order`) and proves it by the two constants at the start of the header. The bytes within
a register of a number are never swapped. A text is filled up with bytes of 0.
"""

RULES = f"""\
## Rules for the PLC program

### Requests

The host reads with function 03 and writes with function 16, one request at a time, of at most 125
registers read and 123 written (both can be configured lower). Answer a read of any registers of the
mailbox. Answer exception 2 to a write that touches a register outside a seat. Registers of a block
that the map does not name are spare: they stay 0.

### At a start of the program

1. Set all registers to 0: both seats, and the event ring, whose old slots would be read again.
2. Choose a `boot_id` that differs from all recent ones and is not 0: seconds or milliseconds of the
   clock, or a retained counter.
3. Write the constants, `layout_version` and `event_slots`. `granted_epoch` and `consumed` are 0.
4. Number the first event 1, with `head_sequence` and `acknowledged` 0 before it. A program that
   keeps its numbering over a start sets both to its last number instead.

A host that sees a new `boot_id` takes all pieces of the old one for lost; give no piece id of the
old boot to a piece that is still on the sorter. The machine may stay suspended until an epoch was
granted.

### In each cycle, in this order

1. Look at the heartbeats and claims of the seats (*Hosts*).
2. Take the acknowledgement (*Acknowledgement*).
3. Take instructions (*Instructions*).
4. Publish events (*Events*).
5. Write the header; count `heartbeat` up by 1, 65535 is followed by 0.

### Sequences

Sequences and piece ids are unsigned 32-bit numbers that count up by 1; after 4294967295 comes 1, as
0 means none. The slot of a sequence is `sequence mod slots`, which is why rings are powers of two
and why slot 0 stays empty once when the numbers wrap. Compare two sequences by their difference
modulo 2^32 only, never by `<`.

### Events

1. An event takes the slot of `head_sequence + 1`. Never write over an event that is not
   acknowledged: n slots may be written if `(new head - acknowledged) mod 2^32 <= event_slots`,
   where the new head is the sequence of the last of the n.
2. Write `sequence_begin` first, then the other registers, all of them in every slot, then
   `sequence_end`; write `head_sequence` after that. The host takes a slot only if both sequences
   are the one it expects.
3. Fields that do not apply are 0; weight and lengths that were not measured are -1. Cells are
   numbered from 1. `plc_time_ms` is when it happened, not when it was written.
4. A scan of several codes takes one slot for each code, one after the other, with all other
   fields alike; `parts` is 256 x (number of this code, from 0) + (codes in all). One code: `parts`
   is 1. No code (a no-read): one slot with `parts` 0 and no text. Publish all slots of a scan
   together or none yet. Leave out codes beyond number {CODES_MAX} and add 2 (more codes) to the
   status; cut a code longer than {CODE_BYTES} bytes and add 1 (code cut).
5. Events that find no room wait in a queue of the program, in order. What finds no room there
   either is lost: count it in `overflow_count`. Hold the inductions while three quarters of the
   ring are taken; a PLC that does so loses nothing, however long the host is away.
6. Report every piece once as inducted, once per lap and scanner as scanned, once as discharged.
   `lap` is 0 until the piece passes the scanner a second time. A status bit of aborted (16, 32, 64)
   in a scan says why the piece did not leave on the lap before.
7. Where a scanner is a device of its own on the host's network, the scan carries no code, `parts`
   0, and status bit 8 (codes elsewhere): it tells which piece passed the scanner, and when. The
   host's part of this, tying the scanner's result to it, is not connected yet: until it is, such
   a scan counts as a no-read. Bit 4 (tie ambiguous) is the host's own.

### Acknowledgement

Take `acknowledge` from the seat that holds the granted epoch, and from no other. Let `a` be its
value: if `0 < (a - acknowledged) mod 2^32 <= (head_sequence - acknowledged) mod 2^32` and `a` is
not 0, set `acknowledged` to `a`; ignore it otherwise. The slots up to `acknowledged` are free.

### Hosts

1. Each of the {SEATS} seats belongs to one host. A host claims an epoch by writing it to its seat.
2. The granted host is alive while its seat claims the granted epoch and its heartbeat changes. When
   that has not been so for the watchdog time (1000 ms, if nothing speaks for another), or no epoch
   was granted since the start, `host_silent` is 1.
3. While `host_silent` is 1, grant the highest epoch claimed if it is higher than `granted_epoch`:
   set `granted_epoch` and `granted_seat`, start the watchdog anew, and clear `host_silent`. Never
   grant a lower or equal one, and none while the granted host is alive.
4. A host that falls silent and comes back with the granted epoch goes on: its heartbeat clears
   `host_silent`.

### Instructions

1. For each seat, the next instruction is in slot `(consumed + 1) mod {INSTRUCTION_SLOTS}` of that
   seat, and has come when the slot's `sequence` is `consumed + 1` (skipping 0). Take it, set
   `consumed`, and look for the next one, at most {INSTRUCTION_SLOTS} in a cycle and seat. A slot
   that is not the next one is never looked at, so an instruction written twice is taken once.
2. `check` is the sum of the {SUMMED} registers before it, modulo 65536. The host writes a slot in
   one request; a wrong sum means that the slot was read while it was being written.
3. Judge it in this order; the first that holds is its answer:

   | answer | when |
   |---|---|
   | 6 malformed | the check sum is wrong, a chute does not exist, or a chute follows a 0 |
   | 2 refused_epoch | its epoch or its seat is not the granted one; count it in `refused_count` |
   | 4 unknown_piece | no such piece is on the sorter, or its `lap` is higher than the piece's |
   | 3 refused_held | it is for this lap, and one is held whose `revision` is as high or higher |
   | 5 too_late | its `lap` is over, or the piece has passed every chute it names |
   | 1 accepted | else: hold it in place of the one held, if any |

   So of two instructions for a piece and lap the first one is kept, and only a higher `revision`
   replaces it. `deadline_ms` refuses nothing; it is echoed.
4. Echo each instruction by one event of kind 3 (instructed), in order: `status` is the answer,
   `piece_id` the instruction's, `lap` the piece's (for an unknown piece the instruction's), `cell`
   the piece's, `plc_time_ms` the instant it was taken, `parts` 0. In place of the code stand
   `instruction_sequence` (the one answered) and then the instruction that is held *after* this
   answer, with its own epoch, revision, chutes, disposition, plan version and deadline; zeros if
   none is held.
5. A scan that begins a new lap ends what was held. An instruction without a chute is held too: the
   piece stays on.

### At the chutes

1. A piece leaves at the first chute named that is open and has room, most preferred first: at a
   chute named, it leaves unless a more preferred one that is free is still ahead on this lap. It is
   reported as sorted (status 1).
2. A piece that holds no instruction when it comes to the default chute leaves there: status 2
   (default_no_instruction), or 3 (default_host_silent) while `host_silent` is 1. That instant is
   the decision point of a piece; nothing waits for the host beyond it.
3. A piece that holds an instruction and found no free chute goes round again. At the PLC's own lap
   limit it leaves at the default chute with status 4 (default_lap_limit).
4. A piece taken off by hand is discharged with status 5 (removed), a cell found empty with status 6
   (lost), both with chute 0. A piece found in a chute that nothing named is status 7 (missed).
5. Report a chute that becomes full, locked, blocked, open or emptied as chute state (kind 5).
6. `inducted_count` counts inductions, `ended_count` pieces discharged, removed or lost,
   `defaulted_count` those with status 2, 3 or 4; all since the start.
"""
