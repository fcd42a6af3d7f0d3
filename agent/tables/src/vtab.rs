//! The one virtual table: it serves any [`Table`] to SQLite, handing it the constraints it can use.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int};
use std::fmt::Write;
use std::sync::Arc;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::Value;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result, ffi};

use crate::column::{Request, Role, Row, Rows, Unreadable, Wanted};
use crate::root::Root;
use crate::table::Table;
use crate::table::systemd_units::UnitsSource;

/// What SQLite reports for a table that can't be read; nothing else here does input or output.
pub(crate) const UNREADABLE: c_int = ffi::SQLITE_IOERR;

/// What the scans of one connection have in common.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) root: Root,
    pub(crate) units: UnitsSource,
}

/// Makes `table` part of the connection.
pub(crate) fn register(connection: &Connection, table: &'static Table, machine: &Arc<Machine>) -> Result<()> {
    // Eponymous only: there is nothing in the schema to read, alter or drop.
    const MODULE: Module<'static, Tab> = Module::eponymous_only_module();
    connection.create_module(table.name, &MODULE, Some(Source { table, machine: Arc::clone(machine) }))
}

#[derive(Debug, Clone)]
struct Source {
    table: &'static Table,
    machine: Arc<Machine>,
}

#[repr(C)]
struct Tab {
    base: sqlite3_vtab,
    source: Source,
}

#[expect(unsafe_code, reason = "rusqlite marks the trait unsafe: SQLite casts the struct to its first field")]
// SAFETY: `Tab` is repr(C) and its first field is the `sqlite3_vtab` that SQLite uses as its base.
unsafe impl<'vtab> VTab<'vtab> for Tab {
    type Aux = Source;
    type Cursor = Cursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Source>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _args: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        // Facts may be read by a statement only, never by a trigger or view that somebody planted.
        db.config(VTabConfig::DirectOnly)?;
        let source = aux.expect("every table is registered with its source").clone();
        let schema = schema(source.table);
        Ok((Cow::Owned(schema), Self { base: sqlite3_vtab::default(), source }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        plan(self.source.table, info)
    }

    fn open(&'vtab mut self) -> Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            source: self.source.clone(),
            rows: None,
            current: None,
            number: 0,
        })
    }
}

fn schema(table: &Table) -> CString {
    let mut sql = String::from("CREATE TABLE x(");
    for (index, column) in table.columns.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let hidden = if column.role.is_hidden() { " HIDDEN" } else { "" };
        write!(sql, "{comma}\"{}\" {}{hidden}", column.name, column.kind.sql())
            .expect("writing to a String does not fail");
    }
    sql.push(')');
    CString::new(sql).expect("column names are literals without NUL")
}

/// Picks the constraints that the table can use. The choice travels to `filter` as a list such as `0=,3~`.
fn plan(table: &Table, info: &mut IndexInfo) -> Result<bool> {
    let mut chosen: BTreeMap<usize, (usize, IndexConstraintOp)> = BTreeMap::new();
    let mut missed_required = false;
    for (index, constraint) in info.constraints().enumerate() {
        let Ok(number) = usize::try_from(constraint.column()) else { continue };
        let Some(column) = table.columns.get(number) else { continue };
        let operator = constraint.operator();
        let useful = match operator {
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => {
                matches!(column.role, Role::Index | Role::Required | Role::Refused)
            }
            IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LIKE => column.role == Role::Required,
            _ => false,
        };
        if !useful {
            continue;
        }
        if !constraint.is_usable() {
            missed_required |= column.role == Role::Required;
            continue;
        }
        // An equality is narrower than a pattern; of two equalities either will do, as SQLite checks both.
        let narrower = operator == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
        if narrower || !chosen.contains_key(&number) {
            chosen.insert(number, (index, operator));
        }
    }
    // Another collation calls more texts equal than the table would look up.
    let mut exact = Vec::new();
    for (number, (index, operator)) in chosen {
        let like = operator == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LIKE;
        if like || info.collation(index)? == "BINARY" {
            exact.push((number, index, like));
        }
    }
    let has_required = exact.iter().any(|(number, ..)| table.columns[*number].role == Role::Required);
    if missed_required && !has_required {
        return Ok(false);
    }

    let mut list = String::new();
    for (position, (number, index, like)) in exact.iter().enumerate() {
        let argument = c_int::try_from(position + 1).expect("a table has few columns");
        info.constraint_usage(*index).set_argv_index(argument);
        let all_at_once = !like && info.set_in_constraint(*index, true)?;
        let mark = if *like {
            '~'
        } else if all_at_once {
            '*'
        } else {
            '='
        };
        write!(list, "{number}{mark},").expect("writing to a String does not fail");
    }
    info.set_idx_str(&list);
    let narrowed = exact.iter().any(|(number, ..)| table.columns[*number].role != Role::Refused);
    info.set_estimated_cost(if narrowed { 10.0 } else { 1e6 });
    info.set_estimated_rows(if narrowed { 5 } else { 1000 });
    Ok(true)
}

#[repr(C)]
struct Cursor {
    base: sqlite3_vtab_cursor,
    source: Source,
    rows: Option<Rows>,
    current: Option<Row>,
    number: i64,
}

impl Cursor {
    fn advance(&mut self) -> Result<()> {
        self.number += 1;
        let next = self.rows.as_mut().and_then(Iterator::next).transpose();
        self.current = next.map_err(|error| unreadable(self.source.table, &error))?;
        Ok(())
    }
}

#[expect(unsafe_code, reason = "rusqlite marks the trait unsafe: SQLite casts the struct to its first field")]
// SAFETY: `Cursor` is repr(C) and its first field is the `sqlite3_vtab_cursor` that SQLite uses as its base.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _number: c_int, list: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        let table = self.source.table;
        let wanted = wanted(table, list.unwrap_or_default(), arguments)?;
        let request = Request { root: &self.source.machine.root, units: self.source.machine.units, wanted };
        self.rows = Some(table.scan(&request).map_err(|error| unreadable(table, &error))?);
        self.number = 0;
        self.advance()
    }

    fn next(&mut self) -> Result<()> {
        self.advance()
    }

    fn eof(&self) -> bool {
        self.current.is_none()
    }

    fn column(&self, context: &mut Context, index: c_int) -> Result<()> {
        let value = usize::try_from(index)
            .ok()
            .and_then(|index| self.current.as_ref()?.0.get(index))
            .unwrap_or(&Value::Null);
        context.set_result(value)
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.number)
    }
}

fn unreadable(table: &Table, error: &Unreadable) -> Error {
    Error::SqliteFailure(ffi::Error::new(UNREADABLE), Some(format!("{}: {error}", table.name)))
}

/// Reads the arguments that `plan` asked for.
fn wanted(
    table: &'static Table,
    list: &str,
    arguments: &Filters<'_>,
) -> Result<BTreeMap<&'static str, Wanted>> {
    let mut wanted = BTreeMap::new();
    for (position, item) in list.split_terminator(',').enumerate() {
        let (number, mark) = item.split_at(item.len() - 1);
        let number: usize = number.parse().expect("plan wrote a column number");
        let value = match mark {
            "~" => match arguments.get::<Value>(position)? {
                Value::Text(pattern) => Wanted::Like(pattern),
                _ => Wanted::OneOf(Vec::new()),
            },
            "*" => {
                let values = arguments.in_values(position)?;
                let owned = values.map(|value| Value::try_from(value).map_err(|_| Error::InvalidQuery));
                Wanted::OneOf(owned.collect()?)
            }
            _ => Wanted::OneOf(vec![arguments.get::<Value>(position)?]),
        };
        wanted.insert(table.columns[number].name, value);
    }
    Ok(wanted)
}
