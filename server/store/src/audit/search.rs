//! Entries of the audit by who, what, on what and when.

use muster_proto::Timestamp;
use muster_proto::rest::AuditEntry;
use serde_json::Value;

use crate::value::Param;
use crate::{StoreError, Tx};

/// Which entries. Everything that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of who did it, in any case.
    pub actor: Option<String>,
    /// What was done, such as `device.approve`, or its noun, such as `device`.
    pub action: Option<String>,
    /// What it was done to.
    pub target: Option<Target>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

/// What something was done to: part of its name in any case, or else the whole of another name of the same thing; or to what
/// something was assigned, whole.
#[derive(Clone, Debug)]
pub struct Target {
    /// Part of the name.
    pub part: String,
    /// Another name, such as the id of a device.
    pub alias: Option<String>,
}

/// Entries before `before`, the newest first.
pub fn search(
    tx: &mut Tx<'_>,
    filter: &Filter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    let mut all = Where::new(filter, before);
    let limit = all.bind(limit.into());
    let sql = format!(
        "SELECT id, at, actor, action, target, detail FROM audit WHERE {} ORDER BY id DESC LIMIT ${limit}",
        all.sql
    );
    tx.query(&sql, &all.params, super::read)
}

/// How many such entries there are.
pub fn found(tx: &mut Tx<'_>, filter: &Filter) -> Result<u64, StoreError> {
    let all = Where::new(filter, None);
    let sql = format!("SELECT COUNT(*) FROM audit WHERE {}", all.sql);
    Ok(tx.query_one(&sql, &all.params, |row| row.get(0))?.unwrap_or(0))
}

/// Conditions and their parameters, numbered as they come.
struct Where {
    sql: String,
    params: Vec<Param<'static>>,
}

impl Where {
    fn new(filter: &Filter, before: Option<u64>) -> Self {
        let mut all = Self { sql: "id < $1".to_owned(), params: vec![before.unwrap_or(u64::MAX).into()] };
        if let Some(actor) = &filter.actor {
            let part = all.bind(Param::Made(part_of(actor)));
            all.sql.push_str(&format!(r" AND LOWER(actor) LIKE ${part} ESCAPE '\'"));
        }
        if let Some(action) = &filter.action {
            let whole = all.bind(Param::Made(action.clone()));
            let noun = all.bind(Param::Made(format!("{}.%", escaped(action))));
            all.sql.push_str(&format!(r" AND (action = ${whole} OR action LIKE ${noun} ESCAPE '\')"));
        }
        if let Some(target) = &filter.target {
            let part = all.bind(Param::Made(part_of(&target.part)));
            let whole = target.alias.as_ref().unwrap_or(&target.part);
            let alias = all.bind(Param::Made(whole.clone()));
            // Of an assignment the target is itself, and what it is assigned to is told of it.
            let told = all.bind(Param::Made(part_of_json("target", whole)));
            all.sql.push_str(&format!(
                r" AND (LOWER(target) LIKE ${part} ESCAPE '\' OR target = ${alias} OR detail LIKE ${told} ESCAPE '\')"
            ));
        }
        if let Some(since) = filter.since {
            let since = all.bind(since.into());
            all.sql.push_str(&format!(" AND at >= ${since}"));
        }
        if let Some(until) = filter.until {
            let until = all.bind(until.into());
            all.sql.push_str(&format!(" AND at <= ${until}"));
        }
        all
    }

    fn bind(&mut self, param: Param<'static>) -> usize {
        self.params.push(param);
        self.params.len()
    }
}

/// A pattern for documents in which this key has this text.
pub(super) fn part_of_json(key: &str, text: &str) -> String {
    format!("%{}%", escaped(&format!("{}:{}", Value::from(key), Value::from(text))))
}

fn part_of(text: &str) -> String {
    format!("%{}%", escaped(&text.to_lowercase()))
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
