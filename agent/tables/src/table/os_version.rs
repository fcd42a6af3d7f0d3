//! `os_version`: the distribution, from `/etc/os-release`.

use std::collections::BTreeMap;

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::root::is_absent;
use crate::table::Table;

const PLACES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

pub(crate) const TABLE: Table = Table {
    name: "os_version",
    description: "A single row containing the operating system name and version.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        name: String = Text Plain, "Distribution or product name";
        version: String = Text Plain, "Pretty, suitable for presentation, OS version";
        major: i64 = Integer Plain, "Major release version";
        minor: i64 = Integer Plain, "Minor release version";
        patch: i64 = Integer Plain, "Optional patch release";
        build: String = Text Plain, "Optional build-specific or variant string";
        platform: String = Text Plain, "OS Platform or ID";
        platform_like: String = Text Plain, "Closely related platforms";
        codename: String = Text Plain, "OS version codename";
        arch: String = Text Plain, "OS Architecture";
        extra: String = Text Plain, "Optional extra release specification";
        pid_with_namespace: i64 = Integer Refused, "Always 0: other namespaces are not read";
        mount_namespace_id: String = Text Hidden, "Always empty: other namespaces are not read";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let release = match request.root.read(PLACES[0]) {
        Err(error) if is_absent(&error) => request.root.require(PLACES[1])?,
        other => other.map_err(|error| Unreadable::file(PLACES[0], &error))?,
    };
    let arch = rustix::system::uname().machine().to_string_lossy().into_owned();
    Ok(rows(vec![row(parse(&text(&release)), arch)]))
}

fn row(mut fields: BTreeMap<String, String>, arch: String) -> Row {
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    let number = take("VERSION_ID");
    let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    let version = take("VERSION");
    Row {
        name: take("NAME"),
        major: parts.next().unwrap_or(0),
        minor: parts.next().unwrap_or(0),
        patch: parts.next().unwrap_or(0),
        version: if version.is_empty() { number } else { version },
        build: take("BUILD_ID"),
        platform: take("ID"),
        platform_like: take("ID_LIKE"),
        codename: take("VERSION_CODENAME"),
        arch,
        extra: String::new(),
        pid_with_namespace: 0,
        mount_namespace_id: String::new(),
    }
}

/// Reads shell assignments without running a shell: quotes around a value and backslashes in it are taken off.
fn parse(release: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for line in release.lines() {
        let Some((name, value)) = line.trim().split_once('=') else { continue };
        if name.starts_with('#') {
            continue;
        }
        let value = value.trim();
        let unquoted = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        let mut plain = String::new();
        let mut characters = unquoted.chars();
        while let Some(character) = characters.next() {
            plain.extend(if character == '\\' { characters.next() } else { Some(character) });
        }
        fields.insert(name.to_owned(), plain);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_ubuntu_are_told_apart() {
        let debian = row(
            parse(
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
                   VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            ),
            "x86_64".to_owned(),
        );
        assert_eq!((debian.name.as_str(), debian.version.as_str()), ("Debian GNU/Linux", "12 (bookworm)"));
        assert_eq!((debian.major, debian.minor, debian.patch), (12, 0, 0));
        assert_eq!((debian.platform.as_str(), debian.codename.as_str()), ("debian", "bookworm"));
        let ubuntu = row(parse("ID=ubuntu\nID_LIKE='debian'\nVERSION_ID=\"24.04\"\n"), String::new());
        assert_eq!((ubuntu.major, ubuntu.minor, ubuntu.version.as_str()), (24, 4, "24.04"));
        assert_eq!(ubuntu.platform_like, "debian");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            row(parse(&text), String::new());
        }
    }
}
