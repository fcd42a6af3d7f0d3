//! A copy of a database that may be in use, and a look at one that changes nothing in it.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::{BUSY, cant_open, floor_of, schema_of};
use crate::error::OpenError;
use crate::migration;

/// All pages in one step: it reads one unchanging view while the writer goes on, where several steps would begin again
/// whenever another process wrote between two of them.
const ALL_PAGES: i32 = i32::MAX;
/// Between two tries while the database is locked.
const PAUSE: Duration = Duration::from_millis(100);

/// What a look at a database found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The number of its schema.
    pub schema: i64,
    /// Whether this server can work with it, after bringing it up to date if it is older.
    pub works: bool,
    /// What is damaged, the first few.
    pub faults: Vec<String>,
}

/// Copies the database at `from`, which a server may be writing to, into a new file that is whole by itself, and examines
/// the copy. Gives the number of its schema, which may be older or newer than this server's.
pub fn copy(from: &Path, to: &Path) -> Result<i64, OpenError> {
    let opened = |source| cant_open(from, source);
    let written = |source| cant_open(to, source);
    let source = Connection::open_with_flags(from, existing()).map_err(opened)?;
    source.busy_timeout(BUSY).map_err(opened)?;
    let mut target = Connection::open(to).map_err(written)?;
    Backup::new(&source, &mut target)
        .and_then(|backup| backup.run_to_completion(ALL_PAGES, PAUSE, None))
        .map_err(written)?;
    // The copy says of itself that it has a log beside it, as the original has.
    target.pragma_update(None, "journal_mode", "delete").map_err(written)?;
    let examined = look(&target).map_err(written)?;
    match examined.faults.into_iter().next() {
        None => Ok(examined.schema),
        Some(fault) => Err(OpenError::Damaged { path: to.to_owned(), fault }),
    }
}

/// Examines a database that is there, without bringing its schema up to date.
pub fn examine(path: &Path) -> Result<Examined, OpenError> {
    let opened = |source| cant_open(path, source);
    let connection = Connection::open_with_flags(path, existing()).map_err(opened)?;
    connection.busy_timeout(BUSY).map_err(opened)?;
    look(&connection).map_err(opened)
}

/// Write access is for the shared memory beside the database, without which a reader of one in use can't begin.
fn existing() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn look(connection: &Connection) -> rusqlite::Result<Examined> {
    let mut check = connection.prepare("PRAGMA quick_check(3)")?;
    let said: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let faults = said.into_iter().filter(|line| line != "ok").collect();
    let schema = schema_of(connection)?;
    Ok(Examined { schema, works: migration::works_with(schema, floor_of(connection, schema)?), faults })
}
