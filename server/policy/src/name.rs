//! What serials, device names and labels may look like. Past this file they are safe in logs, CSV and file names.

/// The text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct InvalidName(&'static str);

/// What firmware says where its maker forgot to put a serial, in lower case and without blanks and punctuation.
const PLACEHOLDERS: [&str; 20] = [
    "0123456789",
    "123456789",
    "1234567890",
    "chassisserialnumber",
    "default",
    "defaultstring",
    "empty",
    "filledbyoem",
    "invalid",
    "na",
    "none",
    "notapplicable",
    "notavailable",
    "notspecified",
    "null",
    "oem",
    "systemserialnumber",
    "tobefilledbyoem",
    "unknown",
    "serialnumber",
];

/// Checks a serial: 1 to 64 printable ASCII characters, without blanks around it. Case counts.
pub fn serial(text: &str) -> Result<&str, InvalidName> {
    let text = text.trim();
    let printable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if !(1..=64).contains(&text.len()) || !printable || text.starts_with(['-', '=', '+', '@']) {
        return Err(InvalidName(
            "a serial: 1 to 64 printable ASCII characters, not beginning with - = + or @",
        ));
    }
    if is_placeholder(text) {
        return Err(InvalidName(
            "a real serial: this one is a placeholder that many machines have; set `serial` in agent.toml",
        ));
    }
    Ok(text)
}

fn is_placeholder(text: &str) -> bool {
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let one_character = plain.chars().all(|c| plain.starts_with(c));
    one_character || PLACEHOLDERS.contains(&plain.as_str())
}

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
    fn placeholders_of_careless_makers_are_no_serials() {
        for junk in [
            "",
            "  ",
            "0",
            "00000000",
            "To Be Filled By O.E.M.",
            "Default string",
            "N/A",
            "None",
            "...",
            "XXXXX",
        ] {
            assert!(serial(junk).is_err(), "{junk:?}");
        }
        assert_eq!(serial(" PF3XK9 ").unwrap(), "PF3XK9");
        assert!(serial("VMware-56 4d 3a").is_ok());
    }

    #[test]
    fn hostile_names_are_refused() {
        for hostile in ["=cmd|x", "a\nb", "a\u{1b}[31m", "-rf", "\u{0}", &"a".repeat(65), "ä"] {
            assert!(serial(hostile).is_err(), "{hostile:?}");
        }
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
