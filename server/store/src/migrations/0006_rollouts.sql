-- Assignments that reach their devices step by step. Until one is done, what it brings is no assignment; `assignment` is
-- the id under which it will be one, so that states do not change when it becomes one.
CREATE TABLE rollout (
    id TEXT NOT NULL PRIMARY KEY,
    assignment TEXT NOT NULL UNIQUE,
    profile TEXT NOT NULL,
    revision BIGINT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    precedence BIGINT NOT NULL,
    mode TEXT NOT NULL,
    params TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    replaces BIGINT,
    soak BIGINT NOT NULL,
    state TEXT NOT NULL,
    step BIGINT NOT NULL,
    steps BIGINT NOT NULL,
    rest BIGINT NOT NULL,
    cause TEXT,
    ended BIGINT,
    FOREIGN KEY (profile, revision) REFERENCES revision (profile, number)
);
CREATE UNIQUE INDEX rollout_open ON rollout (profile, target_kind, target) WHERE state IN ('running', 'stopped');
CREATE INDEX rollout_created ON rollout (created, id);

-- The devices of a step. Those of the last are written down when it begins: they are all that are left then. `online`
-- says whether the device had a link up when it was given the revision, `generation` is that of the first state with it.
CREATE TABLE rollout_device (
    rollout TEXT NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    step BIGINT NOT NULL,
    given BIGINT,
    online BIGINT NOT NULL,
    generation BIGINT,
    passed BIGINT,
    PRIMARY KEY (rollout, device)
);
CREATE INDEX rollout_device_step ON rollout_device (rollout, step);
