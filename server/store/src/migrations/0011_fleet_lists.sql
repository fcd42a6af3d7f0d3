-- Lists and counts over all devices: of a check, of a control, and of a profile's outcomes.

CREATE INDEX check_result_present ON check_result (check_id, verdict, profile, revision, from_at, device)
    WHERE to_at IS NULL;
CREATE INDEX check_result_past ON check_result (check_id, to_at, from_at, verdict) WHERE to_at IS NOT NULL;
CREATE INDEX outcome_profile ON outcome (profile, outcome, resource, device, revision);
