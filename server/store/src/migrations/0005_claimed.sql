-- Records that a stranger's claim made, until an admin names the device.
CREATE TABLE claimed (
    device TEXT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE
);
INSERT INTO claimed (device)
    SELECT id FROM device WHERE state = 'pending' AND owner IS NULL
        AND EXISTS (SELECT 1 FROM pending WHERE pending.device = device.id);
