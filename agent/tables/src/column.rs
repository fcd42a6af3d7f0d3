//! What a table is made of: its columns, its rows, and the request that a query makes of it.
//! The `columns!` macro writes a table's row type and its schema from one list, so that they can't disagree.

use std::collections::BTreeMap;
use std::io;

use rusqlite::types::Value;
use serde::Serialize;

use crate::root::Root;
use crate::table::systemd_units::UnitsSource;

/// The SQL type of a column, as osquery declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A 32-bit integer.
    Integer,
    /// A 64-bit integer.
    BigInt,
}

impl ColumnKind {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
        }
    }
}

/// What a constraint on a column does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// SQLite filters by it.
    Plain,
    /// The table is told which values are wanted, and makes only those rows.
    Index,
    /// Like `Index`, and the table can't be read unless one such column is constrained, by `=`, `IN` or `LIKE`.
    Required,
    /// Not in `SELECT *`.
    Hidden,
    /// Hidden, and only its own value 0 may be asked for: osquery has an option there that Muster does not.
    Refused,
}

impl Role {
    pub(crate) fn is_hidden(self) -> bool {
        matches!(self, Self::Hidden | Self::Refused)
    }
}

/// One column of a table.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Column {
    /// Its name, as in osquery.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnKind,
    /// What it holds.
    pub description: &'static str,
    #[serde(skip)]
    pub(crate) role: Role,
}

impl Column {
    /// Whether `SELECT *` leaves it out.
    pub fn is_hidden(&self) -> bool {
        self.role.is_hidden()
    }

    /// Whether the table can only be read with this column (or another such one) constrained.
    pub fn is_required(&self) -> bool {
        self.role == Role::Required
    }
}

/// A table's name, purpose and columns.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TableDescription {
    /// Its name, as in osquery.
    pub name: &'static str,
    /// What it lists.
    pub description: &'static str,
    /// Its columns, in the order of `SELECT *`.
    pub columns: &'static [Column],
}

/// The values of one row, in the order of the table's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<Value>);

/// The rows of one scan, made as SQLite asks for them so that a large table is never whole in memory.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, Unreadable>>>;

/// Gives rows that are already at hand.
pub(crate) fn rows<T: Into<Row> + 'static>(values: Vec<T>) -> Rows {
    Box::new(values.into_iter().map(|value| Ok(value.into())))
}

/// Why a table can't be read, for an admin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

impl Unreadable {
    /// Says which file could not be read, and what to do where permissions are the cause.
    pub(crate) fn file(path: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run the agent as root",
            _ => "",
        };
        Self(format!("can't read {path}: {error}{advice}"))
    }
}

/// What one scan of a table is asked for.
pub(crate) struct Request<'a> {
    pub(crate) root: &'a Root,
    pub(crate) units: UnitsSource,
    pub(crate) wanted: BTreeMap<&'static str, Wanted>,
}

/// The values that a query wants in one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// Equal to one of these.
    OneOf(Vec<Value>),
    /// Matching this LIKE pattern.
    Like(String),
}

impl Request<'_> {
    /// The integers wanted in `column`, or None where every row is.
    pub(crate) fn integers(&self, column: &str) -> Option<Vec<i64>> {
        match self.wanted.get(column)? {
            Wanted::OneOf(values) => {
                values.iter().filter(|value| **value != Value::Null).map(integer).collect()
            }
            Wanted::Like(_) => None,
        }
    }

    /// The texts wanted in `column`, or None where every row is.
    pub(crate) fn texts(&self, column: &str) -> Option<Vec<String>> {
        match self.wanted.get(column)? {
            Wanted::OneOf(values) => {
                values.iter().filter(|value| **value != Value::Null).map(as_text).collect()
            }
            Wanted::Like(_) => None,
        }
    }

    /// The LIKE pattern on `column`, if there is one.
    pub(crate) fn pattern(&self, column: &str) -> Option<&str> {
        match self.wanted.get(column)? {
            Wanted::OneOf(_) => None,
            Wanted::Like(pattern) => Some(pattern),
        }
    }
}

/// A value that has no exact integer gives None: the scan is then unconstrained and SQLite compares.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(*integer),
        Value::Text(text) => text.parse().ok(),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

/// The longest text that a cell holds: far below SQLite's own limit of 1 MiB for a whole row, so that no
/// process can hide by a command line that would make its row an error.
pub(crate) const TEXT_BYTES: usize = 32 * 1024;

/// Makes text of bytes that anyone may have written: what is not UTF-8 and every NUL (at which SQL functions
/// would stop) becomes U+FFFD, and what is over [`TEXT_BYTES`] is cut.
pub(crate) fn text(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(TEXT_BYTES)];
    String::from_utf8_lossy(cut).replace('\0', "\u{fffd}")
}

/// Takes the `r#` of a raw identifier off.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Declares a table's row type: fields in osquery's order, each with its SQL type, role and description.
macro_rules! columns {
    ($(#[$meta:meta])* $vis:vis struct $row:ident {
        $($field:ident: $type:ty = $kind:ident $role:ident, $doc:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $row {
            $(#[doc = $doc] $vis $field: $type,)*
        }

        impl $row {
            pub(crate) const COLUMNS: &'static [$crate::column::Column] = &[
                $($crate::column::Column {
                    name: $crate::column::plain(stringify!($field)),
                    kind: $crate::column::ColumnKind::$kind,
                    role: $crate::column::Role::$role,
                    description: $doc,
                },)*
            ];
        }

        impl From<$row> for $crate::column::Row {
            fn from(row: $row) -> Self {
                Self(vec![$(row.$field.into(),)*])
            }
        }
    };
}
pub(crate) use columns;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_bounded_text_without_nul() {
        assert_eq!(text(b"ada\0\xffroot"), "ada\u{fffd}\u{fffd}root");
        assert_eq!(text(&vec![b'a'; 5_000_000]).len(), TEXT_BYTES);
    }
}
