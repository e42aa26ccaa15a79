-- The versions of every line's sort plan, and the files they were made of, so that a piece's plan
-- version can be looked up when the machine that compiled it is gone. A line that begins anew
-- numbers from 1 again, so a version is known by its number and its image's hash.

CREATE TABLE plan_version (
    line    text        NOT NULL,
    version integer     NOT NULL,
    digest  text        NOT NULL,
    name    text        NOT NULL,
    plan    text        NOT NULL,
    inputs  text        NOT NULL,
    who     text        NOT NULL,
    why     text        NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (line, version, digest)
);

-- A network's tables are the same for most versions: each content is kept once, by its SHA-256.
CREATE TABLE plan_file (
    sha256  text  PRIMARY KEY,
    content bytea NOT NULL
);

CREATE TABLE plan_version_file (
    line    text    NOT NULL,
    version integer NOT NULL,
    digest  text    NOT NULL,
    path    text    NOT NULL,
    sha256  text    NOT NULL REFERENCES plan_file,
    PRIMARY KEY (line, version, digest, path),
    FOREIGN KEY (line, version, digest) REFERENCES plan_version
);
