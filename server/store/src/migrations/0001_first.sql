-- Types and statements that SQLite and PostgreSQL both have. Times are microseconds UTC; truth is 0 or 1.

CREATE TABLE migration (
    number BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Who administers -----------------------------------------------------------------------------------------------

CREATE TABLE admin (
    name TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE session (
    secret_digest TEXT NOT NULL PRIMARY KEY,
    admin TEXT NOT NULL REFERENCES admin (name) ON DELETE CASCADE,
    csrf TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX session_expires ON session (expires);

CREATE TABLE api_token (
    id TEXT NOT NULL PRIMARY KEY,
    secret_digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE setup_link (
    secret_digest TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- Each row holds the hash of the one before it: what was taken out or edited shows.
CREATE TABLE audit (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_target ON audit (target, id);

-- Devices and people --------------------------------------------------------------------------------------------

CREATE TABLE person (
    username TEXT NOT NULL PRIMARY KEY,
    full_name TEXT,
    uid BIGINT NOT NULL UNIQUE,
    ssh_keys TEXT NOT NULL,
    created BIGINT NOT NULL
);

-- Every uid that was ever given out, so that none is given to a second person.
CREATE TABLE spent_uid (
    uid BIGINT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL
);

CREATE TABLE device (
    id TEXT NOT NULL PRIMARY KEY,
    serial TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    owner TEXT REFERENCES person (username),
    state TEXT NOT NULL,
    facts TEXT NOT NULL,
    os TEXT NOT NULL,
    kinds TEXT NOT NULL,
    compliance TEXT NOT NULL,
    failing BIGINT NOT NULL,
    generation_wanted BIGINT NOT NULL,
    generation_applied BIGINT NOT NULL,
    registered BIGINT NOT NULL,
    enrolled BIGINT,
    ready BIGINT,
    last_seen BIGINT,
    stale_after BIGINT NOT NULL,
    stale_at BIGINT NOT NULL
);
CREATE INDEX device_standing ON device (state, compliance, stale_at);
CREATE INDEX device_owner ON device (owner);

CREATE TABLE device_label (
    label TEXT NOT NULL,
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    PRIMARY KEY (device, label)
);
CREATE INDEX device_label_label ON device_label (label, device);

-- Enrollment ----------------------------------------------------------------------------------------------------

CREATE TABLE token (
    id TEXT NOT NULL PRIMARY KEY,
    secret_digest TEXT NOT NULL UNIQUE,
    labels TEXT NOT NULL,
    uses BIGINT NOT NULL,
    uses_left BIGINT NOT NULL,
    serial TEXT,
    unknown TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE INDEX token_created ON token (created, id);

-- The certificates above a device's own, kept once for all devices.
CREATE TABLE issuer_chain (
    digest TEXT NOT NULL PRIMARY KEY,
    certificates BYTEA NOT NULL
);

CREATE TABLE certificate (
    serial_number TEXT NOT NULL PRIMARY KEY,
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    key_digest TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    der BYTEA NOT NULL,
    issuer_chain TEXT NOT NULL REFERENCES issuer_chain (digest),
    issued BIGINT NOT NULL,
    revoked BIGINT
);
CREATE INDEX certificate_device ON certificate (device, not_after);

-- One row for each key that a token let in.
CREATE TABLE enrollment (
    token TEXT NOT NULL REFERENCES token (id),
    key_digest TEXT NOT NULL,
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    certificate TEXT NOT NULL REFERENCES certificate (serial_number) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    PRIMARY KEY (token, key_digest)
);
CREATE INDEX enrollment_device ON enrollment (device);
CREATE INDEX enrollment_certificate ON enrollment (certificate);

-- One row for each key that waits for an admin.
CREATE TABLE pending (
    token TEXT NOT NULL REFERENCES token (id),
    key_digest TEXT NOT NULL,
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    code TEXT NOT NULL UNIQUE,
    claims TEXT NOT NULL,
    address TEXT NOT NULL,
    since BIGINT NOT NULL,
    approved BIGINT NOT NULL,
    PRIMARY KEY (token, key_digest)
);
CREATE INDEX pending_device ON pending (device, since);

-- Profiles and what is wanted -----------------------------------------------------------------------------------

CREATE TABLE document (
    digest TEXT NOT NULL PRIMARY KEY,
    bytes BYTEA NOT NULL
);

CREATE TABLE profile (
    name TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    newest BIGINT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE revision (
    profile TEXT NOT NULL REFERENCES profile (name),
    number BIGINT NOT NULL,
    digest TEXT NOT NULL REFERENCES document (digest),
    source TEXT NOT NULL,
    saved_by TEXT NOT NULL,
    saved BIGINT NOT NULL,
    PRIMARY KEY (profile, number)
);

CREATE TABLE assignment (
    id TEXT NOT NULL PRIMARY KEY,
    profile TEXT NOT NULL,
    revision BIGINT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    precedence BIGINT NOT NULL,
    mode TEXT NOT NULL,
    params TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    FOREIGN KEY (profile, revision) REFERENCES revision (profile, number)
);
CREATE INDEX assignment_target ON assignment (target_kind, target);
CREATE INDEX assignment_profile ON assignment (profile, revision);

CREATE TABLE state (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    digest TEXT NOT NULL,
    bytes BYTEA NOT NULL
);

-- Which documents a device's state names: what it may fetch.
CREATE TABLE state_document (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES document (digest),
    PRIMARY KEY (device, digest)
);
CREATE INDEX state_document_digest ON state_document (digest, device);

-- What devices say ----------------------------------------------------------------------------------------------

CREATE TABLE event (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    epoch TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    recorded BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (device, epoch, sequence)
);
CREATE INDEX event_recorded ON event (device, recorded, sequence);

-- Up to which event everything of an epoch is here.
CREATE TABLE epoch (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    epoch TEXT NOT NULL,
    acknowledged BIGINT NOT NULL,
    PRIMARY KEY (device, epoch)
);

CREATE TABLE section (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    reported BIGINT NOT NULL,
    PRIMARY KEY (device, name)
);

CREATE TABLE outcome (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    resource TEXT NOT NULL,
    outcome TEXT NOT NULL,
    profile TEXT NOT NULL,
    revision BIGINT NOT NULL,
    since BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (device, resource)
);
CREATE INDEX outcome_wrong ON outcome (outcome, profile, revision, resource, device)
    WHERE outcome IN ('drifted', 'failed', 'blocked', 'unsupported');

-- From when to when a check had a result on a device; the open interval is the present.
CREATE TABLE check_result (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    check_id TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT,
    verdict TEXT NOT NULL,
    profile TEXT NOT NULL,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (device, check_id, from_at)
);
CREATE UNIQUE INDEX check_result_now ON check_result (device, check_id) WHERE to_at IS NULL;
CREATE INDEX check_result_wrong ON check_result (verdict, profile, revision, check_id, device)
    WHERE to_at IS NULL AND verdict IN ('fail', 'unknown');

CREATE TABLE first_login_password (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    account TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (device, account)
);

-- How the fleet stood at the end of a day (UTC), or stands today.
CREATE TABLE day (
    date TEXT NOT NULL PRIMARY KEY,
    compliant BIGINT NOT NULL,
    failing BIGINT NOT NULL,
    unknown BIGINT NOT NULL,
    stale BIGINT NOT NULL,
    unmanaged BIGINT NOT NULL
);
