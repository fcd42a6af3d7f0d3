//! What device names and labels may look like. Past this file they are safe in logs, CSV and file names, as serials are
//! past [`muster_proto::serial`].

/// The text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct InvalidName(&'static str);

/// Checks a device's name: 1 to 63 of `a-z 0-9 - .`, beginning and ending with a letter or digit.
pub fn device(text: &str) -> Result<&str, InvalidName> {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let inner =
        bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || *b == b'.');
    if (1..=63).contains(&bytes.len()) && inner && edge(bytes.first()) && edge(bytes.last()) {
        Ok(text)
    } else {
        Err(InvalidName(
            "a device name: 1 to 63 of a-z, 0-9, - and ., beginning and ending with a letter or digit",
        ))
    }
}

/// Makes a device's name out of anything, such as a claimed host name; empty when nothing of it can be used.
pub fn device_from(text: &str) -> String {
    let host = text.split('.').next().unwrap_or_default();
    let plain: String = host
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(50)
        .collect();
    plain.trim_matches('-').to_owned()
}

/// Checks a label: 1 to 63 of `a-z 0-9 - _`, beginning with a letter or digit.
pub fn label(text: &str) -> Result<&str, InvalidName> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if text.len() <= 63 && first && inner {
        Ok(text)
    } else {
        Err(InvalidName("a label: 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for hostile in ["", "../x", "A", "a/b", "-a", "a-", ".", "a b", "a\n", &"a".repeat(64)] {
            assert!(device(hostile).is_err(), "{hostile:?}");
        }
        for hostile in ["", "a;b", "A", "-a", "a b", "everyone\n"] {
            assert!(label(hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn a_claimed_host_name_becomes_a_name_or_nothing() {
        assert_eq!(device_from("LAP_Ada.corp.example"), "lap-ada");
        assert_eq!(device_from("\u{1b}[2J"), "2j");
        assert_eq!(device_from("///"), "");
        assert!(device(&device_from("../../etc/passwd x")).is_err());
    }
}
