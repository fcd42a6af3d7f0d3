//! What a statement may do: read the tables of this crate and call pure functions. Everything else, and
//! everything that a later SQLite adds, is denied when the statement is prepared.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::table;

/// Functions whose result depends only on their arguments and whose work is bounded by the length limit.
/// Left out: what loads code or reads files, what is random, and what makes large values out of a number.
const FUNCTIONS: [&str; 81] = [
    "->",
    "->>",
    "abs",
    "avg",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "dense_rank",
    "first_value",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "printf",
    "quote",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqlite_version",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "time",
    "timediff",
    "total",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unixepoch",
    "upper",
];

/// How the tables are named that SQLite makes when they are first asked for, so that no list has them.
const LAZY: [&str; 3] = ["json", "pragma_", "sqlite_"];

/// Decides what statements may do.
pub(crate) struct Authorizer {
    /// The virtual tables that SQLite itself brings, such as dbstat, in lower case.
    pub(crate) builtin: BTreeSet<String>,
    /// Is told what was denied.
    pub(crate) refused: SyncSender<String>,
}

impl Authorizer {
    /// Decides one action of a statement.
    pub(crate) fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let Err(what) = self.judge(&context.action) else { return Authorization::Allow };
        // The first refusal is the one to report: a full channel already holds it.
        let _ = self.refused.try_send(what);
        Authorization::Deny
    }

    /// Gives what is refused, in an admin's words.
    fn judge(&self, action: &AuthAction<'_>) -> Result<(), String> {
        match action {
            // A recursive query that does not end is ended by the deadline or by the memory limit.
            AuthAction::Select | AuthAction::Recursive => Ok(()),
            AuthAction::Read { table_name, column_name } if self.may_read(table_name, column_name) => Ok(()),
            AuthAction::Read { table_name, .. } => Err(format!("reading the table {table_name}")),
            AuthAction::Function { function_name } if is_allowed(function_name) => Ok(()),
            AuthAction::Function { function_name } => Err(format!("the function {function_name}")),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => Err("ATTACH and DETACH".to_owned()),
            AuthAction::Pragma { pragma_name, .. } => Err(format!("PRAGMA {pragma_name}")),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Err("transactions".to_owned()),
            _ => Err("a statement other than SELECT".to_owned()),
        }
    }

    fn may_read(&self, table: &str, column: &str) -> bool {
        if table::find(table).is_some() {
            return true;
        }
        // `SELECT count(*) FROM x` reads no column of x. SQLite then asks also where x is a WITH clause of the
        // statement itself, and a name that is none of its own tables can be nothing else.
        let name = table.to_ascii_lowercase();
        let is_lazy = LAZY.iter().any(|prefix| name.starts_with(prefix));
        column.is_empty() && !is_lazy && !self.builtin.contains(&name)
    }
}

fn is_allowed(function: &str) -> bool {
    let name = function.to_ascii_lowercase();
    FUNCTIONS.binary_search(&name.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_functions_is_sorted_so_that_it_can_be_searched() {
        assert!(FUNCTIONS.is_sorted());
    }

    #[test]
    fn functions_that_make_or_load_things_are_not_allowed() {
        for function in ["load_extension", "randomblob", "RANDOM", "zeroblob", "readfile", "fts3_tokenizer"] {
            assert!(!is_allowed(function), "{function}");
        }
        assert!(is_allowed("COUNT"));
    }
}
