-- A line may have two hosts, each in a seat of its PLC's and with a journal of its own: where each
-- journal ends is told by line and seat.

ALTER TABLE journal_position ADD COLUMN seat integer NOT NULL DEFAULT 0;
ALTER TABLE journal_position DROP CONSTRAINT journal_position_pkey;
ALTER TABLE journal_position ADD PRIMARY KEY (line, seat);
