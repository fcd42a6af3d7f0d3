//! The tables: one file each, with its columns, its source and the parser of it.

mod deb_packages;
mod disk_encryption;
mod file;
mod file_pattern;
mod groups;
mod interface_addresses;
mod kernel_info;
mod listening_ports;
mod mounts;
mod os_version;
mod processes;
mod rpm_packages;
mod shadow;
mod system_info;
pub(crate) mod systemd_units;
mod uptime;
mod user_groups;
mod users;

use rusqlite::types::Value;

use crate::column::{Column, Request, Role, Rows, TableDescription, Unreadable, Wanted};

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) columns: &'static [Column],
    /// Makes the rows; it may make more than were asked for, as SQLite filters again, but never fewer.
    pub(crate) rows: fn(&Request<'_>) -> Result<Rows, Unreadable>,
}

/// Every table, by name.
pub(crate) const ALL: [&Table; 17] = [
    &deb_packages::TABLE,
    &disk_encryption::TABLE,
    &file::TABLE,
    &groups::TABLE,
    &interface_addresses::TABLE,
    &kernel_info::TABLE,
    &listening_ports::TABLE,
    &mounts::TABLE,
    &os_version::TABLE,
    &processes::TABLE,
    &rpm_packages::TABLE,
    &shadow::TABLE,
    &system_info::TABLE,
    &systemd_units::TABLE,
    &uptime::TABLE,
    &user_groups::TABLE,
    &users::TABLE,
];

impl Table {
    pub(crate) fn describe(&self) -> TableDescription {
        TableDescription { name: self.name, description: self.description, columns: self.columns }
    }

    /// Makes the rows of one scan, if it asks for something that the table can answer.
    pub(crate) fn scan(&self, request: &Request<'_>) -> Result<Rows, Unreadable> {
        let required: Vec<&str> =
            self.columns.iter().filter(|column| column.is_required()).map(|column| column.name).collect();
        if !required.is_empty() && !required.iter().any(|name| request.wanted.contains_key(name)) {
            let columns = required.join(" or ");
            return Err(Unreadable(format!("it needs {columns} in WHERE, with =, IN or LIKE")));
        }
        for column in self.columns.iter().filter(|column| column.role == Role::Refused) {
            let other = match request.wanted.get(column.name) {
                Some(Wanted::OneOf(values)) => values.iter().any(|value| *value != Value::Integer(0)),
                Some(Wanted::Like(_)) => true,
                None => false,
            };
            if other {
                return Err(Unreadable(format!("{} other than 0 is not supported", column.name)));
            }
        }
        (self.rows)(request)
    }
}
