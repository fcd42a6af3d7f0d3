//! `systemd_units`: the units that systemd has loaded. They are asked for over D-Bus, which is the caller's.

use crate::column::{Request, Rows, Unreadable, columns, rows};
use crate::table::Table;

/// Gives every loaded unit, or says why systemd can't be asked.
pub type UnitsSource = fn() -> Result<Vec<UnitRow>, String>;

pub(crate) const TABLE: Table = Table {
    name: "systemd_units",
    description: "Units that systemd has loaded.",
    columns: UnitRow::COLUMNS,
    rows: make,
};

columns! {
    /// One unit, as systemd's `ListUnits` and the unit's properties tell it.
    #[derive(Default, Eq)]
    pub struct UnitRow {
        id: String = Text Plain, "Unique unit identifier";
        description: String = Text Plain, "Unit description";
        load_state: String = Text Plain, "Reflects whether the unit definition was properly loaded";
        active_state: String = Text Plain, "The high-level unit activation state";
        sub_state: String = Text Plain, "The low-level unit activation state, values depend on unit type";
        unit_file_state: String = Text Plain, "Whether the unit file is enabled, such as `enabled` or `masked`";
        following: String = Text Plain, "The name of another unit that this unit follows in state";
        object_path: String = Text Plain, "The object path for this unit";
        job_id: i64 = BigInt Plain, "Next queued job id";
        job_type: String = Text Plain, "Job type";
        job_path: String = Text Plain, "The object path for the job";
        fragment_path: String = Text Plain, "The unit file path this unit was read from, if there is any";
        user: String = Text Plain, "The configured user, if any";
        source_path: String = Text Plain, "Path to the (possibly generated) unit configuration file";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    Ok(rows((request.units)().map_err(Unreadable)?))
}
