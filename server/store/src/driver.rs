//! One file per database; each gives a `Store`, a `Tx` and a `Row`.

pub(crate) mod sqlite;
