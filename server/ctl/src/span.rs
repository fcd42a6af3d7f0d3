//! Lengths of time as they are typed.

use std::time::Duration;

/// Reads `30s`, `10m`, `2h` or `7d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as seconds, minutes, hours or days, such as 30s, 10m, 2h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_needs_its_unit() {
        assert_eq!(span("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "2", "h", "-2h", "2w", "99999999999999999999d", "2é"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
