-- The few devices whose clock differs from the server's, for the first page.
CREATE INDEX section_clock ON section (device) WHERE name = 'clock' AND document <> 'null';
