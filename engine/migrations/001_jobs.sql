-- PostgreSQL is the truth: with NATS emptied, everything needed to go on is here.

CREATE TABLE engine.job (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- what the large tables refer to
    id       text NOT NULL UNIQUE,                            -- what people see
    owner    text NOT NULL,
    key      text,                                            -- the caller's idempotency key
    digest   bytea NOT NULL,                                  -- of the list: the same key must bring the same
    state    text NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'PAUSED', 'DONE', 'CANCELLED', 'FAILED')),
    total    integer NOT NULL,
    done     integer NOT NULL DEFAULT 0,
    cut      integer NOT NULL DEFAULT 0,                      -- addresses up to here are in chunks
    rate     real,                                            -- verdicts a second, lately
    created  timestamptz NOT NULL DEFAULT now(),
    finished timestamptz,
    problems text[] NOT NULL DEFAULT '{}',                    -- chunks that nobody could finish
    UNIQUE (owner, key)
);
CREATE INDEX job_open ON engine.job (n) WHERE state IN ('QUEUED', 'RUNNING', 'PAUSED');

-- No foreign keys from the two large tables: checking a million rows costs more than storing them.
CREATE TABLE engine.address (
    job     bigint NOT NULL,
    place     integer NOT NULL,
    address text NOT NULL,
    twin    integer,                                          -- the first place of the same address
    PRIMARY KEY (job, place)
);
CREATE INDEX address_twin ON engine.address (job, twin) WHERE twin IS NOT NULL;

CREATE TABLE engine.verdict (
    job    bigint NOT NULL,
    place  integer NOT NULL,
    -- The order of becoming known. Given out under the job's lock, so that none ever comes in below another.
    seq    integer NOT NULL,
    status text NOT NULL,
    -- Not jsonb: a server's reply may hold what jsonb refuses, such as NUL.
    body   json NOT NULL,
    PRIMARY KEY (job, place),
    UNIQUE (job, seq)
);

CREATE TABLE engine.tally (
    job    bigint NOT NULL REFERENCES engine.job ON DELETE CASCADE,
    status text NOT NULL,
    count  integer NOT NULL,
    PRIMARY KEY (job, status)
);

CREATE TABLE engine.chunk (
    job    bigint NOT NULL REFERENCES engine.job ON DELETE CASCADE,
    number integer NOT NULL,
    queue  text NOT NULL,
    places integer[] NOT NULL,
    state  text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'SENT', 'OVER')),
    turn   integer NOT NULL DEFAULT 1,
    sent   timestamptz,
    PRIMARY KEY (job, number)
);
CREATE INDEX chunk_waiting ON engine.chunk (queue, job, number) WHERE state = 'WAITING';
CREATE INDEX chunk_sent ON engine.chunk (queue, job) WHERE state = 'SENT';

-- Who takes the mail of a domain, learned from verdicts and from DNS.
CREATE TABLE engine.route (
    domain   text PRIMARY KEY,
    operator text NOT NULL,
    learned  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE engine.node (
    name    text PRIMARY KEY,
    seen    timestamptz NOT NULL,
    active  integer NOT NULL,
    chunks  integer NOT NULL,
    cooling text[] NOT NULL
);

-- What stands in the way just now, one line for people each.
CREATE TABLE engine.trouble (
    what  text PRIMARY KEY,
    line  text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
