-- What a sensor told: a Quantity, and the reading in thousandths of its unit. NULL in all other
-- events, and the reading also while there was none. A sensor's event has its name as its one code.

ALTER TABLE event
    ADD COLUMN quantity      integer,
    ADD COLUMN reading_milli integer;

-- A sensor's history is read from its newest event back, a page at a time.
CREATE INDEX event_sensor ON event ((codes[1]), received_at, boot_id, sequence) WHERE kind = 7;
