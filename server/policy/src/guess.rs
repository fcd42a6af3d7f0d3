//! How long somebody who guessed wrong waits: nothing at first, since people mistype, then twice as long each time.

use std::time::Duration;

/// Wrong guesses that cost nothing.
pub const FREE: u32 = 5;

/// The longest wait. It leaves 96 guesses a day, so that an even chance at six digits takes six years.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How long after the last of so many wrong guesses the next may be made.
pub fn wait(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(beyond) => LONGEST.min(Duration::from_secs(1_u64.checked_shl(beyond + 1).unwrap_or(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_do_not_grow_for_ever() {
        let seconds: Vec<_> = (0..16).map(|failures| wait(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(wait(u32::MAX), LONGEST);
    }
}
