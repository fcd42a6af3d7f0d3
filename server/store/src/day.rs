//! How the fleet stood, one row a day.

use muster_proto::rest::{ComplianceCounts, Day};

use crate::{StoreError, Tx};

/// Writes down how the fleet stands on this date.
pub fn put(tx: &mut Tx<'_>, date: &str, counts: &ComplianceCounts) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO day (date, compliant, failing, unknown, stale, unmanaged, waived)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (date) DO UPDATE SET compliant = excluded.compliant, failing = excluded.failing,
             unknown = excluded.unknown, stale = excluded.stale, unmanaged = excluded.unmanaged,
             waived = excluded.waived",
        &[
            date.into(),
            counts.compliant.into(),
            counts.failing.into(),
            counts.unknown.into(),
            counts.stale.into(),
            counts.unmanaged.into(),
            counts.waived.into(),
        ],
    )?;
    Ok(())
}

/// The newest `limit` days, the oldest of them first.
pub fn list(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<Day>, StoreError> {
    let mut days = tx.query(
        "SELECT date, compliant, failing, unknown, stale, unmanaged, waived FROM day ORDER BY date DESC LIMIT $1",
        &[limit.into()],
        |row| {
            let [compliant, failing, unknown, stale, unmanaged]: [u64; 5] =
                [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            let total = compliant + failing + unknown + stale + unmanaged;
            Ok(Day {
                date: row.get(0)?,
                counts: ComplianceCounts {
                    total,
                    compliant,
                    failing,
                    unknown,
                    stale,
                    unmanaged,
                    waived: row.get(6)?,
                },
            })
        },
    )?;
    days.reverse();
    Ok(days)
}
