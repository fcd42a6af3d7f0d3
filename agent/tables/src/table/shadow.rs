//! `shadow`: the state of each account's password, from `/etc/shadow`. The hash itself is in no column.

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::table::Table;
use crate::table::users::{lines, not_understood};

const SHADOW: &str = "/etc/shadow";

pub(crate) const TABLE: Table = Table {
    name: "shadow",
    description: "Local system users' password status and ageing. Needs root.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        password_status: String = Text Plain, "`active`, `empty`, `locked` or `not_set`";
        hash_alg: String = Text Plain, "Password hashing algorithm, such as y or 6";
        last_change: i64 = BigInt Plain, "Day of the last password change since 1970, -1 if none is given";
        min: i64 = BigInt Plain, "Minimal number of days between password changes";
        max: i64 = BigInt Plain, "Maximum number of days between password changes";
        warning: i64 = BigInt Plain, "Number of days before a password expires to warn the user about it";
        inactive: i64 = BigInt Plain, "Number of days after a password expires until the account is blocked";
        expire: i64 = BigInt Plain, "Day since 1970 on which the account is disabled";
        flag: i64 = BigInt Plain, "Reserved";
        username: String = Text Index, "User name";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let mut entries = parse(&request.root.require(SHADOW)?)?;
    if let Some(names) = request.texts("username") {
        entries.retain(|row| names.contains(&row.username));
    }
    Ok(rows(entries))
}

fn parse(shadow: &[u8]) -> Result<Vec<Row>, Unreadable> {
    let mut entries = Vec::new();
    for (number, line) in lines(shadow) {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        if fields.len() < 2 {
            return Err(not_understood(SHADOW, number));
        }
        let days = |index: usize| {
            let field = fields.get(index).copied().unwrap_or_default();
            days(field).ok_or_else(|| not_understood(SHADOW, number))
        };
        entries.push(Row {
            password_status: status(fields[1]).to_owned(),
            hash_alg: algorithm(fields[1]),
            last_change: days(2)?,
            min: days(3)?,
            max: days(4)?,
            warning: days(5)?,
            inactive: days(6)?,
            expire: days(7)?,
            flag: days(8)?,
            username: text(fields[0]),
        });
    }
    Ok(entries)
}

/// An empty field is -1, as the C library has it.
fn days(field: &[u8]) -> Option<i64> {
    let field = field.trim_ascii();
    if field.is_empty() { Some(-1) } else { std::str::from_utf8(field).ok()?.parse().ok() }
}

fn status(password: &[u8]) -> &'static str {
    match password {
        b"!!" => "not_set",
        [b'!' | b'*' | b'x', ..] => "locked",
        [] => "empty",
        _ => "active",
    }
}

/// The name between the first two dollar signs.
fn algorithm(password: &[u8]) -> String {
    let name = password.strip_prefix(b"$").and_then(|rest| rest.split(|&byte| byte == b'$').next());
    match name {
        Some(name) if !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') => {
            text(name)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_password_is_osquerys() {
        let shadow = b"a:$y$j9T$salt$hash:20000:0:99999:7:::\nb::20000::::::\nc:!:20000::::::\n\
                       d:*:1::::::\ne:!!:::::::\nf:!$6$x$y:1:2:3:4:5:6:7\ng:plain:\n";
        let rows = parse(shadow).unwrap();
        let statuses: Vec<&str> = rows.iter().map(|row| row.password_status.as_str()).collect();
        assert_eq!(statuses, ["active", "empty", "locked", "locked", "not_set", "locked", "active"]);
        assert_eq!(rows[0].hash_alg, "y");
        assert_eq!((rows[0].last_change, rows[0].max, rows[0].inactive), (20000, 99999, -1));
        assert_eq!((rows[5].hash_alg.as_str(), rows[5].expire, rows[5].flag), ("", 6, 7));
    }

    #[test]
    fn a_line_that_is_not_understood_fails_the_table() {
        assert!(parse(b"ada\n").is_err());
        assert!(parse(b"ada:$y$x$y:soon:0::::\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_hash_is_ever_in_a_row(salt in "[A-Za-z0-9./]{8}", hash in "[A-Za-z0-9./]{22,86}") {
            let line = format!("ada:$6${salt}${hash}:1:2:3:4:5:6:7\n");
            let row = format!("{:?}", parse(line.as_bytes()).unwrap());
            proptest::prop_assert!(!row.contains(&hash) && !row.contains(&salt));
        }
    }
}
