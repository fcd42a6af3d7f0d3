-- Devices that a restored server waits for: what such a device was certified between the backup and the restore is in
-- no record, and may be taken up once. The row goes when the device is back.
CREATE TABLE returning_device (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    backed_up BIGINT NOT NULL,
    restored BIGINT NOT NULL
);
