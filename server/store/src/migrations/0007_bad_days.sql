-- Devices that were reported lost, until they enroll again or the report is taken back.
CREATE TABLE lost (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    -- Made at random: a receipt names it.
    id TEXT NOT NULL,
    reported_by TEXT NOT NULL,
    since BIGINT NOT NULL,
    reason TEXT,
    -- JSON `Holdings`, as they were then.
    holdings TEXT NOT NULL,
    given BIGINT,
    received BIGINT,
    -- JSON `Receipt`.
    receipt TEXT
);

-- When a certificate was first shown, and when a newer one of its device was: from then on it is not taken any more.
ALTER TABLE certificate ADD COLUMN used BIGINT;
ALTER TABLE certificate ADD COLUMN replaced BIGINT;

-- The kernels that followed as a device, counted from the first: the highest is the one that runs.
CREATE TABLE boot (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    boot TEXT NOT NULL,
    number BIGINT NOT NULL,
    address TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (device, boot)
);

-- Devices whose identity two machines use.
CREATE TABLE twin (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    since BIGINT NOT NULL,
    -- JSON list of the two `MachineView`.
    machines TEXT NOT NULL
);

-- The last use of a certificate of a device after a newer one had been used.
CREATE TABLE old_certificate (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    serial_number TEXT NOT NULL,
    address TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- The last time that a device asked to return later than it may.
CREATE TABLE late_return (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    ended BIGINT NOT NULL,
    address TEXT NOT NULL,
    at BIGINT NOT NULL
);
