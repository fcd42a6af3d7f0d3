//! Waiting for something outside this process, with an end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` again and again until it gives a value; fails, naming `what`, when `limit` has passed.
///
/// An error of the probe ends the wait at once: "not yet" is `Ok(None)`.
pub fn wait_until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if start.elapsed() > limit {
            bail!("gave up after {} s waiting for {what}", limit.as_secs());
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing outside this process can wake it: it has to ask again"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
