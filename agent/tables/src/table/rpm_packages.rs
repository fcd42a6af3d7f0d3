//! `rpm_packages`: what rpm has on record, read from its database without running rpm.

use crate::column::{Request, Rows, Unreadable, columns};
use crate::root::Root;
use crate::rpm::{Database, Error, FILE, FOLDERS, Header, Tag};
use crate::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "rpm_packages",
    description: "RPM packages that are currently installed on the host system.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        name: String = Text Index, "RPM package name";
        version: String = Text Plain, "Package version";
        release: String = Text Plain, "Package release";
        source: String = Text Plain, "Source RPM package name";
        size: Option<i64> = BigInt Plain, "Size of the package's files in bytes";
        sha1: String = Text Plain, "SHA1 hash of the package's header";
        arch: String = Text Plain, "Architecture(s) supported";
        epoch: Option<i64> = Integer Plain, "Package epoch value";
        install_time: Option<i64> = Integer Plain, "When the package was installed, in seconds since 1970";
        vendor: String = Text Plain, "Package vendor";
        package_group: String = Text Plain, "Package group";
        pid_with_namespace: i64 = Integer Refused, "Always 0: other namespaces are not read";
        mount_namespace_id: String = Text Hidden, "Always empty: other namespaces are not read";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let names = request.texts("name");
    let unreadable = |error: Error| Unreadable(error.to_string());
    let mut rows = vec![];
    let database = open(request.root)?;
    for number in database.numbers().map_err(unreadable)? {
        let row = database.header(number, read).map_err(unreadable)?;
        if names.as_ref().is_none_or(|names| names.contains(&row.name)) {
            rows.push(Ok(row.into()));
        }
    }
    Ok(Box::new(rows.into_iter()))
}

fn open(root: &Root) -> Result<Database, Unreadable> {
    let folder = FOLDERS.into_iter().find(|folder| root.join(folder).join(FILE).is_file());
    let folder =
        folder.ok_or_else(|| Unreadable(format!("there is no {FILE} in {}", FOLDERS.join(" or "))))?;
    Database::open_confined(&root.join(folder))
        .map_err(|error| Unreadable(format!("{folder}/{FILE}: {error}")))
}

fn read(header: &Header<'_>) -> Result<Row, Error> {
    let package = header.package()?;
    let text = |tag| header.text(tag).map(Option::unwrap_or_default);
    let number = |tag| header.number(tag).map(|number| number.and_then(|number| i64::try_from(number).ok()));
    Ok(Row {
        name: package.name,
        version: text(Tag::Version)?,
        release: text(Tag::Release)?,
        source: text(Tag::SourceRpm)?,
        size: number(Tag::Size)?.or(number(Tag::LongSize)?),
        sha1: text(Tag::Sha1Header)?,
        arch: package.arch,
        epoch: number(Tag::Epoch)?,
        install_time: number(Tag::InstallTime)?,
        vendor: text(Tag::Vendor)?,
        package_group: text(Tag::Group)?,
        pid_with_namespace: 0,
        mount_namespace_id: String::new(),
    })
}
