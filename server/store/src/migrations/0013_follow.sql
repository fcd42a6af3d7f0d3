-- Whether an assignment takes each revision that is saved after it.
ALTER TABLE assignment ADD COLUMN follows BIGINT NOT NULL DEFAULT 0;
