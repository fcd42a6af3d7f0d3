-- People as a directory knows them: an id for good, and whether they are still here. Who left keeps their row, so that
-- neither name nor uid is ever another's.
ALTER TABLE person ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN active BIGINT NOT NULL DEFAULT 1;
ALTER TABLE person ADD COLUMN departed BIGINT;
UPDATE person SET id = 'pe-' || uid;
CREATE UNIQUE INDEX person_id ON person (id);

CREATE TABLE people_group (
    name TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE TABLE people_group_member (
    people_group TEXT NOT NULL REFERENCES people_group (name) ON DELETE CASCADE,
    person TEXT NOT NULL REFERENCES person (username),
    since BIGINT NOT NULL,
    PRIMARY KEY (people_group, person)
);
CREATE INDEX people_group_member_person ON people_group_member (person, people_group);

-- The groups whose members a document gives accounts to. Those groups need not exist.
CREATE TABLE document_group (
    digest TEXT NOT NULL REFERENCES document (digest),
    people_group TEXT NOT NULL,
    PRIMARY KEY (digest, people_group)
);
CREATE INDEX document_group_group ON document_group (people_group, digest);

-- Accepted failures of checks; `ended` is set when an admin or time ended one, and the row stays as proof.
CREATE TABLE waiver (
    id TEXT NOT NULL PRIMARY KEY,
    check_id TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    owner TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    until BIGINT NOT NULL,
    ended BIGINT,
    ended_by TEXT
);
CREATE INDEX waiver_in_force ON waiver (check_id) WHERE ended IS NULL;
CREATE INDEX waiver_created ON waiver (created, id);

-- From when to when the failure of a check on a device was waived; the open interval is the present.
CREATE TABLE waived (
    device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    check_id TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT,
    waiver TEXT NOT NULL REFERENCES waiver (id),
    PRIMARY KEY (device, check_id, from_at)
);
CREATE UNIQUE INDEX waived_now ON waived (device, check_id) WHERE to_at IS NULL;
CREATE INDEX waived_ended ON waived (to_at) WHERE to_at IS NOT NULL;

-- Devices that comply only because a failure is waived, of those of the day.
ALTER TABLE day ADD COLUMN waived BIGINT NOT NULL DEFAULT 0;

-- Which devices have a result of a check, and what became of it in the last weeks.
CREATE INDEX check_result_check ON check_result (check_id, device, from_at);
