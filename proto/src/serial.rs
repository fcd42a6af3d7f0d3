//! What a machine is known by: the serial that its maker gave it, or else the UUID of its system.
//!
//! Firmware says something where its maker forgot to put a serial, and the same on thousands of machines. The agent chooses
//! what it claims by [`known_by`], and the server registers by an import and a claim what [`check`] lets pass: both by the
//! same rule, so that what an agent claims by itself is never refused as a placeholder. A device that is registered already
//! is found by whatever [`recorded`] lets pass.

/// The text is no serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSerial {
    /// It can't be one.
    #[error("expected a serial: 1 to 64 printable ASCII characters, not beginning with - = + or @")]
    Malformed,
    /// It has characters that no maker prints, and that a shell takes for orders.
    #[error(
        "expected a serial as makers print it: letters, digits, blanks and . _ / + : # * = , -; write the system's UUID in \
         its place, which the agent claims then (cat /sys/class/dmi/id/product_uuid), or set `serial` in agent.toml"
    )]
    Unusual,
    /// It can't be told from that of other machines.
    #[error(
        "expected a real serial: this one is a placeholder that many machines have, or one character alone; write the system's UUID in its \
         place, which the agent claims then (cat /sys/class/dmi/id/product_uuid), or set `serial` in agent.toml"
    )]
    Placeholder,
}

/// What firmware says in place of a serial, in lower case and without blanks and punctuation.
const PLACEHOLDERS: [&str; 36] = [
    "00112233445566778899",
    "0123456789",
    "0123456789abcdef",
    "12345678",
    "123456789",
    "1234567890",
    "assetserialnumber",
    "baseboardserialnumber",
    "boardserialnumber",
    "bsn12345678901234567",
    "chassisserialnumber",
    "default",
    "defaultstring",
    "empty",
    "filledbyoem",
    "invalid",
    "mbserialnumber",
    "na",
    "nil",
    "noserial",
    "noserialnumber",
    "none",
    "notapplicable",
    "notavailable",
    "notset",
    "notsettable",
    "notspecified",
    "null",
    "oem",
    "serial",
    "serialnumber",
    "systemproductname",
    "systemserialnumber",
    "tobefilledbyoem",
    "unknown",
    "unspecified",
];

/// UUIDs that makers left in the firmware of many machines.
const PLACEHOLDER_UUIDS: [&str; 6] = [
    "00020003-0004-0005-0006-000700080009",
    "03000200-0400-0500-0006-000700080009",
    "03020100-0504-0706-0809-0a0b0c0d0e0f",
    "11111111-2222-3333-4444-555555555555",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    // Dell's, where the service tag is blank.
    "4c4c4544-0000-2010-8020-80c04f202020",
];

/// A random UUID has about fourteen different digits, and never in practice fewer than this.
const FEWEST_DIGITS: usize = 4;

/// What makers print in serials beside letters and digits. None of it makes a shell run something, wherever it is pasted:
/// a stranger's claim is shown to admins, and they copy it.
const MARKS: &[u8] = b" ._/+:#*=,-";

/// Checks a serial to be registered: 1 to 64 ASCII letters, digits and marks that makers print, and no placeholder. Gives
/// it in the form of [`recorded`].
pub fn check(text: &str) -> Result<String, InvalidSerial> {
    let serial = recorded(text)?;
    let usual = serial.bytes().all(|b| b.is_ascii_alphanumeric() || MARKS.contains(&b));
    if usual { Ok(serial) } else { Err(InvalidSerial::Unusual) }
}

/// Checks a serial that may be that of a registered device: 1 to 64 printable ASCII characters that are no placeholder.
/// Gives it without blanks around it, and in lower case where it is a UUID, since tools write those either way; otherwise
/// case counts.
pub fn recorded(text: &str) -> Result<String, InvalidSerial> {
    let text = text.trim();
    let printable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if !(1..=64).contains(&text.len()) || !printable || text.starts_with(['-', '=', '+', '@']) {
        return Err(InvalidSerial::Malformed);
    }
    let serial = if is_uuid(text) { text.to_ascii_lowercase() } else { text.to_owned() };
    if is_placeholder(&serial) { Err(InvalidSerial::Placeholder) } else { Ok(serial) }
}

/// What a machine claims to be by its firmware's serial and its system's UUID: the serial, unless it is none, then the
/// UUID. Where neither is of use, the serial as it is, so that the refusal names it.
pub fn known_by(serial: &str, system_uuid: &str) -> String {
    let uuid = || check(system_uuid).ok().filter(|uuid| is_uuid(uuid));
    check(serial).ok().or_else(uuid).unwrap_or_else(|| serial.trim().to_owned())
}

fn is_placeholder(serial: &str) -> bool {
    let plain: String =
        serial.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let different = plain.chars().collect::<std::collections::BTreeSet<_>>().len();
    let one_character = different <= 1;
    one_character
        || PLACEHOLDERS.contains(&plain.as_str())
        || is_uuid(serial) && (different < FEWEST_DIGITS || PLACEHOLDER_UUIDS.contains(&serial))
}

/// Whether it is written as 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => HYPHENS.contains(&at),
            _ => byte.is_ascii_hexdigit() && !HYPHENS.contains(&at),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const UUID: &str = "4c4c4544-0042-3510-8052-b4c04f4e3233";

    #[test]
    fn what_careless_makers_leave_is_no_serial() {
        let junk = [
            "0",
            "00000000",
            "To Be Filled By O.E.M.",
            "To be filled by O.E.M",
            "Default string",
            "System Serial Number",
            "Chassis Serial Number",
            "Not Specified",
            "Not Applicable",
            "N/A",
            "None",
            "...",
            "XXXXX",
            "0123456789",
            "BSN12345678901234567",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "fefefefe-fefe-fefe-fefe-fefefefefefe",
            "03000200-0400-0500-0006-000700080009",
            "12345678-1234-5678-90AB-CDDEEFAABBCC",
        ];
        for text in junk {
            assert_eq!(check(text), Err(InvalidSerial::Placeholder), "{text:?}");
        }
        assert_eq!(check(" PF3XK9 ").unwrap(), "PF3XK9");
        assert_eq!(check("Pf3xK9").unwrap(), "Pf3xK9");
        assert!(check("VMware-56 4d 3a").is_ok());
        assert_eq!(check(&UUID.to_ascii_uppercase()).unwrap(), UUID);
    }

    #[test]
    fn hostile_serials_are_refused() {
        for text in ["", "  ", "=cmd|x", "a\nb", "a\u{1b}[31m", "-rf", "\u{0}", &"a".repeat(65), "ä"] {
            assert_eq!(check(text), Err(InvalidSerial::Malformed), "{text:?}");
        }
    }

    #[test]
    fn what_a_shell_takes_for_orders_is_registered_as_no_serial_and_found_where_it_is_recorded() {
        for mark in
            ['$', '`', '"', '\'', ';', '|', '&', '<', '>', '\\', '!', '(', ')', '{', '~', '%', '?', '[']
        {
            let text = format!("PF3{mark}XK9");
            assert_eq!(check(&text), Err(InvalidSerial::Unusual), "{text:?}");
            assert_eq!(recorded(&text), Ok(text.clone()), "{text:?}");
        }
        for real in [
            "VMware-56 4d 3a 8b 11 c0 5e 2f-9a 01 77 3c de 4b 60 12",
            "/8ABC123/CN1296342A00B7/",
            ".8ABC123.CN7016343F00IE.",
            "ec2e1916-9099-7caf-fd21-012345abcdef",
            "Parallels-1A 2B 3C 4D",
            "CZC*1234#5",
            "S/N:PF_3+9=1,2",
        ] {
            assert!(check(real).is_ok(), "{real:?}");
        }
    }

    #[test]
    fn a_machine_without_a_serial_is_known_by_its_system_uuid_unless_that_is_junk_too() {
        let table = [
            ("PF3XK9", UUID, "PF3XK9"),
            ("Default string", UUID, UUID),
            ("", "4C4C4544-0042-3510-8052-B4C04F4E3233\n", UUID),
            ("Not Specified", "03000200-0400-0500-0006-000700080009", "Not Specified"),
            ("To Be Filled By O.E.M.", "Not Settable", "To Be Filled By O.E.M."),
            ("0", "PF3XK9", "0"),
            ("PF$(reboot)", UUID, UUID),
            ("", "", ""),
        ];
        for (serial, uuid, known) in table {
            assert_eq!(known_by(serial, uuid), known, "{serial:?} {uuid:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_placeholder_is_one_however_it_is_written(
            plain in select(PLACEHOLDERS.to_vec()),
            how in proptest::collection::vec((any::<bool>(), select(vec!["", " ", ".", "/", "_"])), 64),
        ) {
            let written: String = plain
                .chars()
                .zip(how)
                .map(|(c, (upper, behind))| format!("{}{behind}", if upper { c.to_ascii_uppercase() } else { c }))
                .collect();
            prop_assume!(written.len() <= 64);
            prop_assert_eq!(check(&written), Err(InvalidSerial::Placeholder));
        }

        #[test]
        fn what_is_taken_is_safe_to_show_and_taken_again_as_it_is(text in "\\PC{0,70}|[ -~]{0,70}") {
            if let Ok(serial) = check(&text) {
                prop_assert!(serial.bytes().all(|b| (b' '..=b'~').contains(&b)) && !serial.starts_with(' '));
                prop_assert_eq!(check(&serial), Ok(serial));
            }
        }

        #[test]
        fn what_an_agent_claims_is_taken_whenever_it_has_anything_to_be_known_by(
            serial in select(vec!["PF3XK9", "Default string", "0", "", "Not Specified", "\u{1b}[2J"]),
            uuid in prop_oneof![
                4 => any::<[u8; 16]>().prop_map(|bytes| uuid::Uuid::from_bytes(bytes).to_string().to_ascii_uppercase()),
                1 => select(PLACEHOLDER_UUIDS.to_vec()).prop_map(str::to_owned),
                1 => Just(String::new()),
            ],
        ) {
            let known = known_by(serial, &uuid);
            prop_assert_eq!(check(&known).is_ok(), check(serial).is_ok() || check(&uuid).is_ok());
            if check(serial).is_ok() {
                prop_assert_eq!(known, serial);
            }
        }
    }
}
