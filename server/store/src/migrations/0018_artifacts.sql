-- Files that profiles name by their digest. Their bytes lie beside the database; `stored` is set once all of them were
-- there and were right.
CREATE TABLE artifact (
    digest TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    put_by TEXT NOT NULL,
    begun BIGINT NOT NULL,
    stored BIGINT
);
CREATE INDEX artifact_name ON artifact (name, digest);

-- The artifacts that a document names, written with its revision.
CREATE TABLE document_artifact (
    digest TEXT NOT NULL REFERENCES document (digest),
    artifact TEXT NOT NULL,
    PRIMARY KEY (digest, artifact)
);
CREATE INDEX document_artifact_artifact ON document_artifact (artifact, digest);
