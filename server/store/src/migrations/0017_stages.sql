-- Who has been longest at each step of enrollment, without a look at every device.
CREATE INDEX device_registered ON device (state, registered, name);
CREATE INDEX device_enrolled ON device (state, (COALESCE(enrolled, registered)), name);
CREATE INDEX device_ready ON device (state, (COALESCE(ready, registered)), name);
