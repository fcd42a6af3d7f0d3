-- The newest rules of composition that a device's agent has; 0 before its first call.
ALTER TABLE device ADD COLUMN composition BIGINT NOT NULL DEFAULT 0;
