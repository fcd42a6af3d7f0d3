-- How much of what grows with time is kept of each device, counted as it comes and goes: counting anew would make
-- every report slower the more there is.
CREATE TABLE kept (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    entries BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (device, kind)
);
INSERT INTO kept (device, kind, entries, bytes)
    SELECT device, 'event', COUNT(*), SUM(OCTET_LENGTH(document)) FROM event GROUP BY device;
INSERT INTO kept (device, kind, entries, bytes)
    SELECT device, 'ended_check', COUNT(*), SUM(OCTET_LENGTH(document)) FROM check_result
    WHERE to_at IS NOT NULL GROUP BY device;

-- The oldest ended interval of a device, which goes first.
CREATE INDEX check_result_ended ON check_result (device, to_at) WHERE to_at IS NOT NULL;

-- When an epoch was first heard of.
ALTER TABLE epoch ADD COLUMN opened BIGINT NOT NULL DEFAULT 0;
