//! What a statement may do: read the tables of this crate and call pure functions. Everything else, and
//! everything that a later SQLite adds, is denied when the statement is prepared.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;

use muster_proto::question::{may_call, may_read};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

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
            AuthAction::Read { table_name, column_name }
                if may_read(table_name, column_name, |name| self.builtin.contains(name)) =>
            {
                Ok(())
            }
            AuthAction::Read { table_name, .. } => Err(format!("reading the table {table_name}")),
            AuthAction::Function { function_name } if may_call(function_name) => Ok(()),
            AuthAction::Function { function_name } => Err(format!("the function {function_name}")),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => Err("ATTACH and DETACH".to_owned()),
            AuthAction::Pragma { pragma_name, .. } => Err(format!("PRAGMA {pragma_name}")),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Err("transactions".to_owned()),
            _ => Err("a statement other than SELECT".to_owned()),
        }
    }
}
