-- Three tables of records, one partition a UTC day, and where in its journal each line's records
-- end. Wide columns stand first, so that none is padded.
--
-- A partitioned table's unique keys must hold the partition's column. Each key's instant is part
-- of the journaled record, so a record read twice has the same key and is kept once.
--
-- Instants are microseconds; the journal has nanoseconds. Codes are numbers of
-- plc_adapters/contract.py. 0 means "none" for chutes, groups, brands, plan versions.

CREATE TABLE event (
    received_at          timestamptz NOT NULL,
    event_at             timestamptz,
    boot_id              bigint  NOT NULL,
    sequence             bigint  NOT NULL,
    piece_id             bigint  NOT NULL,
    plc_time_ms          bigint  NOT NULL,
    instruction_sequence bigint  NOT NULL,
    epoch                bigint  NOT NULL,
    plan_version         bigint  NOT NULL,
    kind                 integer NOT NULL,
    status               integer NOT NULL,
    code_count           integer NOT NULL,
    station              integer NOT NULL,
    chute                integer NOT NULL,
    cell                 integer NOT NULL,
    lap                  integer NOT NULL,
    weight_g             integer NOT NULL,
    revision             integer NOT NULL,
    slack_ms             integer NOT NULL,
    disposition          integer NOT NULL,
    length_mm            smallint NOT NULL,
    width_mm             smallint NOT NULL,
    height_mm            smallint NOT NULL,
    line                 text    NOT NULL,
    codes                text[],
    chutes               integer[],
    PRIMARY KEY (line, boot_id, sequence, received_at)
) PARTITION BY RANGE (received_at);

CREATE INDEX event_piece ON event (piece_id, boot_id, line) WHERE piece_id <> 0;

CREATE TABLE decision (
    decided_at           timestamptz NOT NULL,
    deadline_at          timestamptz,
    boot_id              bigint  NOT NULL,
    event_sequence       bigint  NOT NULL,
    piece_id             bigint  NOT NULL,
    plan_version         bigint  NOT NULL,
    destination          bigint  NOT NULL,
    lap                  integer NOT NULL,
    revision             integer NOT NULL,
    disposition          integer NOT NULL,
    chute_group          integer NOT NULL,
    brand                integer NOT NULL,
    service_class        integer NOT NULL,
    line                 text    NOT NULL,
    waybill              text,
    chutes               integer[],
    PRIMARY KEY (line, boot_id, event_sequence, revision, decided_at)
) PARTITION BY RANGE (decided_at);

CREATE INDEX decision_piece ON decision (piece_id, boot_id, line);
CREATE INDEX decision_waybill ON decision (waybill, decided_at) WHERE waybill IS NOT NULL;

CREATE TABLE piece (
    ended_at             timestamptz NOT NULL,
    inducted_at          timestamptz,
    scanned_at           timestamptz,
    boot_id              bigint  NOT NULL,
    piece_id             bigint  NOT NULL,
    plan_version         bigint  NOT NULL,
    destination          bigint  NOT NULL,
    station              integer NOT NULL,
    cell                 integer NOT NULL,
    lap                  integer NOT NULL,
    outcome              integer NOT NULL,
    chute                integer NOT NULL,
    scans                integer NOT NULL,
    answer               integer NOT NULL,
    revision             integer NOT NULL,
    disposition          integer NOT NULL,
    chute_group          integer NOT NULL,
    brand                integer NOT NULL,
    service_class        integer NOT NULL,
    first_chute          integer NOT NULL,
    reserved_chute       integer NOT NULL,
    conflict             integer NOT NULL,
    weight_g             integer NOT NULL,
    slack_ms             integer NOT NULL,
    length_mm            smallint NOT NULL,
    width_mm             smallint NOT NULL,
    height_mm            smallint NOT NULL,
    line                 text    NOT NULL,
    waybill              text,
    chutes               integer[],
    PRIMARY KEY (line, boot_id, piece_id, ended_at)
) PARTITION BY RANGE (ended_at);

CREATE INDEX piece_piece ON piece (piece_id, boot_id, line);
CREATE INDEX piece_waybill ON piece (waybill, ended_at) WHERE waybill IS NOT NULL;

CREATE TABLE journal_position (
    line         text   PRIMARY KEY,
    segment      bigint NOT NULL,
    offset_bytes bigint NOT NULL
);
