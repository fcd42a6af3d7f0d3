-- What the assignments of a profile to a target pinned, one after the other; `undone` is set when it was rolled back.
CREATE TABLE pin (
    profile TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    number BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    precedence BIGINT NOT NULL,
    mode TEXT NOT NULL,
    params TEXT NOT NULL,
    pinned_by TEXT NOT NULL,
    pinned BIGINT NOT NULL,
    undone BIGINT,
    PRIMARY KEY (profile, target_kind, target, number),
    FOREIGN KEY (profile, revision) REFERENCES revision (profile, number)
);
INSERT INTO pin (profile, target_kind, target, number, revision, precedence, mode, params, pinned_by, pinned)
    SELECT profile, target_kind, target, 1, revision, precedence, mode, params, created_by, created FROM assignment;

-- What keeps its states until it is resumed or `until` comes: `everyone`, a `label`, a `device` or a `profile`.
CREATE TABLE pause (
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    paused_by TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT,
    reason TEXT,
    PRIMARY KEY (target_kind, target)
);

-- Devices whose state would differ if nothing kept it; `changes` is a JSON list of sentences.
CREATE TABLE held (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    changes TEXT NOT NULL,
    since BIGINT NOT NULL
);

-- Removals that nobody asked for by name, which wait for an admin's word.
CREATE TABLE removal (
    id TEXT NOT NULL PRIMARY KEY,
    cause TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TABLE removal_device (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    removal TEXT NOT NULL REFERENCES removal (id) ON DELETE CASCADE,
    labels TEXT NOT NULL,
    profiles TEXT NOT NULL,
    PRIMARY KEY (device, removal)
);
CREATE INDEX removal_device_removal ON removal_device (removal, device);

-- Devices that one new key may become until `until`.
CREATE TABLE reenrollment (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    allowed_by TEXT NOT NULL,
    until BIGINT NOT NULL
);
