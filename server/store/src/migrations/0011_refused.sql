-- The last machine that was refused as a device, until the device enrolls: what an admin asks when one does not come.
CREATE TABLE refused (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    reference TEXT NOT NULL,
    reason TEXT NOT NULL,
    remedy TEXT NOT NULL,
    address TEXT NOT NULL,
    claimed_serial TEXT NOT NULL
);
