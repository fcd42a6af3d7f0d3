//! Outcomes of a profile over all devices, page by page.

use muster_proto::DeviceId;
use muster_proto::report::OutcomeKind;

use super::OutcomeRow;
use crate::device::LEFT_OUT;
use crate::value::Param;
use crate::{Row, StoreError, Tx};

/// Which outcomes. Everything that is given has to hold.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The profile; empty for what no profile asks for.
    pub profile: String,
    /// What became of the resource.
    pub outcome: OutcomeKind,
    /// The profile's revision.
    pub revision: Option<u32>,
    /// The resource.
    pub resource: Option<String>,
}

/// An outcome with the device it is of.
pub struct Listed {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// The outcome.
    pub row: OutcomeRow,
}

/// A page of outcomes, by resource and then by device in the order of their enrollment.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<&(String, DeviceId)>,
    limit: u32,
) -> Result<Vec<Listed>, StoreError> {
    let (mut sql, mut params) = conditions(filter);
    if let Some((resource, device)) = after {
        params.extend([Param::Made(resource.clone()), (*device).into()]);
        let (resource, device) = (params.len() - 1, params.len());
        sql.push_str(&format!(
            " AND (resource > ${resource} OR (resource = ${resource} AND device > ${device}))"
        ));
    }
    params.push(limit.into());
    let sql = format!(
        "SELECT resource, outcome, since, document, device,
             (SELECT name FROM device WHERE device.id = outcome.device)
         FROM outcome WHERE {sql} AND device NOT IN {LEFT_OUT} ORDER BY resource, device LIMIT ${}",
        params.len()
    );
    tx.query(&sql, &params, |row| {
        Ok(Listed {
            row: OutcomeRow {
                resource: row.get(0)?,
                outcome: row.get(1)?,
                since: row.get(2)?,
                document: row.get(3)?,
            },
            device: row.get(4)?,
            name: row.get(5)?,
        })
    })
}

/// How many such outcomes there are. Those of devices that are left out are few, and taken off: asking of each outcome whose it is
/// would not read the index alone.
pub fn total(tx: &mut Tx<'_>, filter: &Filter) -> Result<u64, StoreError> {
    let (sql, params) = conditions(filter);
    let count = |row: &Row<'_>| row.get::<u64>(0);
    let all = tx.query_one(&format!("SELECT COUNT(*) FROM outcome WHERE {sql}"), &params, count)?;
    let left_out = tx.query_one(
        &format!(
            "SELECT COUNT(*) FROM device d CROSS JOIN outcome o
             WHERE {sql} AND o.device = d.id AND d.state IN ('held', 'lost', 'revoked')"
        ),
        &params,
        count,
    )?;
    Ok(all.unwrap_or(0) - left_out.unwrap_or(0))
}

fn conditions(filter: &Filter) -> (String, Vec<Param<'static>>) {
    let mut sql = "profile = $1 AND outcome = $2".to_owned();
    let mut params = vec![Param::Made(filter.profile.clone()), filter.outcome.into()];
    if let Some(revision) = filter.revision {
        params.push(revision.into());
        sql.push_str(&format!(" AND revision = ${}", params.len()));
    }
    if let Some(resource) = &filter.resource {
        params.push(Param::Made(resource.clone()));
        sql.push_str(&format!(" AND resource = ${}", params.len()));
    }
    (sql, params)
}
