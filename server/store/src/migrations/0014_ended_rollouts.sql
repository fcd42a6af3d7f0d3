-- Who ended a rollout, and how the devices stood then that it had given the revision to: nothing is asked of them afterwards.
-- `stood` is empty where a device had passed and was well.
ALTER TABLE rollout ADD COLUMN ended_by TEXT;
ALTER TABLE rollout_device ADD COLUMN stood TEXT;
ALTER TABLE rollout_device ADD COLUMN trouble TEXT;
