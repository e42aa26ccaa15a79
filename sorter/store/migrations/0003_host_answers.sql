-- What the upstream host said of a piece: a HostAnswer, bits of HoldKind; asked_lap is
-- 1 more than the lap of the first question, 0 for none; scan_sequence is a piece's newest scan.

ALTER TABLE decision
    ADD COLUMN host_answer bigint NOT NULL DEFAULT 0,
    ADD COLUMN host_holds  bigint NOT NULL DEFAULT 0;

ALTER TABLE piece
    ADD COLUMN scan_sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN asked_lap     bigint NOT NULL DEFAULT 0,
    ADD COLUMN host_answer   bigint NOT NULL DEFAULT 0,
    ADD COLUMN host_holds    bigint NOT NULL DEFAULT 0;

-- 16 was what the PLC sent to its default chute; that is 28 now, and 16 a host that came late.
UPDATE piece SET disposition = 28 WHERE disposition = 16;
