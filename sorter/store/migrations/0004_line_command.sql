-- What each line was told and by whom: plans activated and rolled back, chutes locked, pre-advice
-- taken. A line that begins anew numbers from 1 again, so a command is known by number and instant.

CREATE TABLE line_command (
    line     text        NOT NULL,
    number   bigint      NOT NULL,
    at       timestamptz NOT NULL,
    action   text        NOT NULL,
    version  bigint      NOT NULL,
    previous bigint      NOT NULL,
    chute    integer     NOT NULL,
    name     text        NOT NULL,
    who      text        NOT NULL,
    why      text        NOT NULL,
    PRIMARY KEY (line, at, number)
);
