//! Numbered changes of the schema, each applied once, in order, in a transaction of its own.

/// One step, applied to a database of the version before it.
pub(crate) struct Migration {
    /// From 1.
    pub(crate) number: i64,
    /// Its statements.
    pub(crate) sql: &'static str,
}

/// All of them. A released one is never edited: whoever has applied it would not see the edit.
pub(crate) const ALL: &[Migration] =
    &[Migration { number: 1, sql: include_str!("migrations/0001_first.sql") }];

/// The version this server knows.
pub(crate) fn newest() -> i64 {
    ALL.last().map_or(0, |migration| migration.number)
}
