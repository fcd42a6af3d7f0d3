//! `deb_packages`: what dpkg has on record, read from its `status` file without running dpkg.

use std::path::Path;

use crate::column::{Request, Rows, Unreadable, columns, text};
use crate::root::read_bounded;
use crate::table::Table;
use crate::walk::Walk;

const ADMINDIR: &str = "/var/lib/dpkg";

pub(crate) const TABLE: Table = Table {
    name: "deb_packages",
    description: "The installed DEB package database.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        name: String = Text Index, "Package name";
        version: String = Text Plain, "Package version";
        source: String = Text Plain, "Package source";
        size: Option<i64> = BigInt Plain, "Installed size as dpkg states it, in KiB";
        arch: String = Text Plain, "Package architecture";
        revision: String = Text Plain, "Package revision";
        status: String = Text Plain, "Package status, such as `install ok installed`";
        maintainer: String = Text Plain, "Package maintainer";
        section: String = Text Plain, "Package section";
        priority: String = Text Plain, "Package priority";
        admindir: String = Text Index, "dpkg's folder. Defaults to /var/lib/dpkg";
        pid_with_namespace: i64 = Integer Refused, "Always 0: other namespaces are not read";
        mount_namespace_id: String = Text Hidden, "Always empty: other namespaces are not read";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let admindirs = request.texts("admindir").unwrap_or_else(|| vec![ADMINDIR.to_owned()]);
    let names = request.texts("name");
    let mut databases = Vec::new();
    for admindir in admindirs {
        databases.push((read(request, &admindir)?, admindir));
    }
    let packages = databases.into_iter().flat_map(move |(status, admindir)| {
        let names = names.clone();
        Paragraphs::new(status).filter_map(move |paragraph| {
            let row = match parse(&paragraph, &admindir) {
                Ok(row) => row?,
                Err(error) => return Some(Err(error)),
            };
            names.as_ref().is_none_or(|names| names.contains(&row.name)).then(|| Ok(row.into()))
        })
    });
    Ok(Box::new(packages))
}

/// The folder is the query's to name, so the way to it is walked with care.
fn read(request: &Request<'_>, admindir: &str) -> Result<Vec<u8>, Unreadable> {
    let path = format!("{}/status", admindir.trim_end_matches('/'));
    let open = || Walk::new(request.root)?.open_file(Path::new(&path));
    let file = open().map_err(|error| Unreadable(format!("can't read {path}: {error}")))?;
    read_bounded(file).map_err(|error| Unreadable::file(&path, &error))
}

/// Splits a control file at its blank lines, one paragraph at a time.
struct Paragraphs {
    file: Vec<u8>,
    position: usize,
}

impl Paragraphs {
    fn new(file: Vec<u8>) -> Self {
        Self { file, position: 0 }
    }
}

impl Iterator for Paragraphs {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let rest = &self.file[self.position..];
        let start = rest.iter().position(|&byte| byte != b'\n')?;
        let rest = &rest[start..];
        let end = rest.windows(2).position(|pair| pair == b"\n\n").unwrap_or(rest.len());
        self.position += start + end;
        Some(rest[..end].to_vec())
    }
}

/// Reads one package. None for one that dpkg only remembers as not installed.
fn parse(paragraph: &[u8], admindir: &str) -> Result<Option<Row>, Unreadable> {
    let field = |name: &str| field(paragraph, name).map(text).unwrap_or_default();
    let name = field("Package");
    if name.is_empty() {
        let start = text(&paragraph[..paragraph.len().min(60)]);
        return Err(Unreadable(format!("an entry of {admindir}/status has no Package: {start:?}")));
    }
    let status = field("Status");
    if status.ends_with(" not-installed") {
        return Ok(None);
    }
    let version = field("Version");
    Ok(Some(Row {
        revision: version.rsplit_once('-').map(|(_, revision)| revision.to_owned()).unwrap_or_default(),
        version,
        source: field("Source"),
        size: field("Installed-Size").parse().ok(),
        arch: field("Architecture"),
        status,
        maintainer: field("Maintainer"),
        section: field("Section"),
        priority: field("Priority"),
        admindir: admindir.to_owned(),
        pid_with_namespace: 0,
        mount_namespace_id: String::new(),
        name,
    }))
}

/// The first line of a field. Continuation lines begin with a space, so they can't pass for a field.
fn field<'a>(paragraph: &'a [u8], name: &str) -> Option<&'a [u8]> {
    paragraph.split(|&byte| byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(status: &[u8]) -> Vec<Row> {
        Paragraphs::new(status.to_vec()).filter_map(|entry| parse(&entry, ADMINDIR).unwrap()).collect()
    }

    #[test]
    fn packages_are_read_and_forgotten_ones_left_out() {
        let status = b"Package: curl\nStatus: install ok installed\nPriority: optional\nSection: web\n\
            Installed-Size: 500\nMaintainer: A <a@example.com>\nArchitecture: amd64\nVersion: 7.88.1-10+deb12u8\n\
            Description: tool\n Package: not-a-field\n\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1.0\n\n\
            Package: never\nStatus: unknown ok not-installed\n";
        let packages = packages(status);
        let names: Vec<&str> = packages.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["curl", "gone"]);
        assert_eq!(packages[0].version, "7.88.1-10+deb12u8");
        assert_eq!(packages[0].revision, "10+deb12u8");
        assert_eq!(packages[0].size, Some(500));
        assert_eq!(
            (packages[1].status.as_str(), packages[1].revision.as_str()),
            ("deinstall ok config-files", "")
        );
    }

    #[test]
    fn an_entry_without_a_name_fails_the_table() {
        assert!(parse(b"Status: install ok installed", ADMINDIR).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic_or_go_on_for_ever(bytes: Vec<u8>) {
            for paragraph in Paragraphs::new(bytes) {
                let _ = parse(&paragraph, ADMINDIR);
            }
        }

        #[test]
        fn every_paragraph_comes_back(names in proptest::collection::vec("[a-z0-9+.-]{1,20}", 0..20)) {
            let status: String = names.iter().map(|name| format!("Package: {name}\nVersion: 1\n\n")).collect();
            let read: Vec<String> = packages(status.as_bytes()).into_iter().map(|row| row.name).collect();
            proptest::prop_assert_eq!(read, names);
        }
    }
}
