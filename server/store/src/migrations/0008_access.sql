-- Links by which an admin who is there already chooses a password, one at a time.
CREATE TABLE admin_link (
    admin TEXT NOT NULL PRIMARY KEY REFERENCES admin (name) ON DELETE CASCADE,
    secret_digest TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- Secrets for codes, sealed; one counts once it is `confirmed`. `step` is the newest one of which a code was taken.
CREATE TABLE totp (
    admin TEXT NOT NULL PRIMARY KEY REFERENCES admin (name) ON DELETE CASCADE,
    sealed BYTEA NOT NULL,
    confirmed BIGINT,
    step BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    failed BIGINT NOT NULL
);

-- Codes that stand in once for the authenticator's.
CREATE TABLE recovery_code (
    admin TEXT NOT NULL REFERENCES admin (name) ON DELETE CASCADE,
    code_digest TEXT NOT NULL,
    PRIMARY KEY (admin, code_digest)
);

-- An admin without a password has an empty hash.
ALTER TABLE admin ADD COLUMN last_login BIGINT;

-- `scopes` is a JSON list, empty for everything; `login` is whose command line the token keeps logged in.
ALTER TABLE api_token ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE api_token ADD COLUMN last_used BIGINT;
ALTER TABLE api_token ADD COLUMN login TEXT REFERENCES admin (name) ON DELETE CASCADE;
