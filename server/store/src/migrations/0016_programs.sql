-- For which admin each program acts that was ever given an API token: what it made is found when its token is gone.
CREATE TABLE program (
    actor TEXT NOT NULL PRIMARY KEY,
    admin TEXT NOT NULL
);
CREATE INDEX program_admin ON program (admin);
