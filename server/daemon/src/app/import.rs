//! Registers devices from a CSV file, all or nothing.

use muster_policy::comply;
use muster_policy::import::{self, Columns, Plan, Present, Record, Row};
use muster_policy::rights::AdminRight;
use muster_proto::rest::{DeviceState, Import, NewPerson, Removal, SourcePlace};
use muster_proto::{DeviceId, Timestamp};
use muster_store::Tx;
use muster_store::device::NewDevice;
use serde_json::{Value, json};

use super::audit::{self, Act};
use super::{App, AppError, person, recompile, removal, secret};

/// The most rows of one file.
const MAX_ROWS: usize = 200_000;

/// The most devices that an answer lists, and the most people.
const MAX_CHANGES: usize = 1_000;

/// The most devices of a sort that the audit names: an import of a whole fleet is one entry too.
const NAMED: usize = 20;

/// Whether to do it or only to say what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Do it.
    Real,
    /// Change nothing; say what would be.
    Dry,
}

/// What becomes of owners whom nobody has added yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewOwners {
    /// They are added as people.
    Add,
    /// The import is refused: whoever imports may not add people, and must not do so in this way either.
    Refuse,
}

impl App {
    /// Registers or changes devices by serial. What is wrong stands in the answer's `errors`, and then nothing was
    /// imported.
    pub(crate) async fn import_devices(
        &self,
        right: &AdminRight,
        csv: String,
        newcomers: NewOwners,
        trial: Trial,
    ) -> Result<Import, AppError> {
        let (rows, unread) = match read(&csv) {
            Ok(read) => read,
            Err(errors) => return Ok(refused(errors)),
        };
        let (at, actor) = (self.now(), right.actor().to_owned());
        let run = move |tx: &mut Tx<'_>| -> Result<Import, AppError> {
            let present = present(tx, &rows)?;
            let plan = match whole_plan(&rows, &present, unread) {
                Ok(plan) => plan,
                Err(errors) => return Ok(refused(errors)),
            };
            if newcomers == NewOwners::Refuse
                && let Some(first) = plan.new_people.iter().next()
            {
                return Err(AppError::Invalid(format!(
                    "{} owners are no people yet, {first} for one, and whoever imports may not add people (people:write): add \
                     them first with muster person add",
                    plan.new_people.len()
                )));
            }
            let touched = removal::by_import(tx, &plan)?;
            if trial == Trial::Dry {
                return Ok(summary(&plan, &present, removal::foreseen(tx, &touched, &actor, at)?));
            }
            let act = Act { at, actor: &actor, action: "device.import" };
            let guarded = removal::guard(tx, &touched, act)?;
            carry_out(tx, &plan, &present, act)?;
            Ok(summary(&plan, &present, guarded))
        };
        match trial {
            Trial::Dry => self.store().read(run).await,
            Trial::Real => self.store().write(run).await,
        }
    }
}

/// The plan, or all that is wrong: fields that can't be read and rows that contradict each other, in the file's order.
fn whole_plan(rows: &[Row], present: &Present, unread: Vec<SourcePlace>) -> Result<Plan, Vec<SourcePlace>> {
    let mut errors = match import::plan(rows, present) {
        Ok(plan) if unread.is_empty() => return Ok(plan),
        Ok(_) => unread,
        Err(more) => [unread, more].concat(),
    };
    errors.sort_by_key(|error| (error.line, error.column));
    Err(errors)
}

/// The rows that can be read, and what is wrong with the others; `Err` when the file as a whole is no list of devices.
fn read(csv: &str) -> Result<(Vec<Row>, Vec<SourcePlace>), Vec<SourcePlace>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv.as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        vec![SourcePlace { line, column: 0, message: error.to_string() }]
    };
    let mut columns = None;
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let fields: Vec<&str> = record.iter().collect();
        let Some(columns) = columns else {
            columns = Some(Columns::find(&fields).map_err(|error| vec![error])?);
            continue;
        };
        if fields.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        match columns.read(line, &fields) {
            Ok(row) => rows.push(row),
            Err(mut more) => errors.append(&mut more),
        }
        if rows.len() > MAX_ROWS {
            let message = format!("more than {MAX_ROWS} rows: import the file in parts");
            return Err(vec![SourcePlace { line, column: 0, message }]);
        }
    }
    if columns.is_none() {
        let message =
            "the file is empty: its first row names the columns, serial,name,owner,labels".to_owned();
        return Err(vec![SourcePlace { line: 1, column: 0, message }]);
    }
    Ok((rows, errors))
}

/// What is recorded of the serials, names and owners in the file.
fn present(tx: &mut Tx<'_>, rows: &[Row]) -> Result<Present, AppError> {
    let mut present = Present::default();
    for row in rows {
        if let Some(device) = muster_store::device::by_serial(tx, &row.serial)? {
            let labels = muster_store::label::of_device(tx, device.id)?;
            if let Some(owner) = &device.owner {
                present.people.insert(owner.clone());
            }
            present.names.insert(device.name.clone(), device.serial.clone());
            let record = Record { serial: device.serial, name: device.name, owner: device.owner, labels };
            present.devices.insert(row.serial.clone(), record);
        }
        let name = row.name.clone().unwrap_or_else(|| import::name_for(&row.serial));
        if let Some(device) = muster_store::device::by_name(tx, &name)? {
            present.names.insert(device.name, device.serial);
        }
        if let Some(owner) = row.owner.as_ref().filter(|owner| !present.people.contains(*owner))
            && muster_store::person::get(tx, owner)?.is_some()
        {
            present.people.insert(owner.clone());
        }
    }
    Ok(present)
}

fn carry_out(tx: &mut Tx<'_>, plan: &Plan, present: &Present, act: Act<'_>) -> Result<(), AppError> {
    for username in &plan.new_people {
        let new = NewPerson { username: username.clone(), ..NewPerson::default() };
        person::create(tx, new, Act { action: "person.create", ..act })?;
    }
    let mut touched = Vec::new();
    // Names may change hands between two devices of the file: all are given up before any is taken.
    for record in &plan.changed {
        if let Some(device) = muster_store::device::by_serial(tx, &record.serial)?
            && device.name != record.name
        {
            let owner = device.owner.as_deref();
            muster_store::device::set_record(tx, device.id, &format!("~{}", device.id), owner)?;
        }
    }
    for record in &plan.changed {
        let device = muster_store::device::by_serial(tx, &record.serial)?
            .ok_or_else(|| AppError::Defect(format!("serial {} is gone", record.serial)))?;
        muster_store::device::set_record(tx, device.id, &record.name, record.owner.as_deref())?;
        muster_store::claimed::end(tx, device.id)?;
        recompile::relabel(tx, device.id, &record.labels)?;
        touched.push(device.id);
    }
    for record in &plan.new {
        touched.push(register(tx, record, act.at)?);
    }
    recompile::devices(tx, &touched, act.at)?;
    if !touched.is_empty() {
        audit::write(tx, act, "devices", account(plan, present))?;
    }
    Ok(())
}

/// What the audit keeps of an import: how many devices, and of the first of each sort which and what differs.
fn account(plan: &Plan, present: &Present) -> Value {
    let changes = plan.changes(present);
    let named = |new: bool| -> Vec<String> {
        let of_sort: Vec<_> = changes.iter().filter(|change| change.new == new).collect();
        let more = of_sort.len().saturating_sub(NAMED);
        let first = of_sort.into_iter().take(NAMED).map(|change| {
            let differs = if new { String::new() } else { format!(": {}", change.fields.join(", ")) };
            format!("{} ({}){differs}", change.name, change.serial)
        });
        first.chain((more > 0).then(|| format!("and {more} more"))).collect()
    };
    json!({
        "new": plan.new.len(), "changed": plan.changed.len(), "unchanged": plan.unchanged,
        "new_devices": named(true), "changed_devices": named(false),
    })
}

fn register(tx: &mut Tx<'_>, record: &Record, at: Timestamp) -> Result<DeviceId, AppError> {
    let id = secret::device_id();
    let device = NewDevice {
        id,
        serial: &record.serial,
        name: &record.name,
        owner: record.owner.as_deref(),
        state: DeviceState::Registered,
        stale_after: comply::promise(&record.labels),
    };
    muster_store::device::insert(tx, &device, at)?;
    recompile::relabel(tx, id, &record.labels)?;
    Ok(id)
}

fn summary(plan: &Plan, present: &Present, removal: Option<Removal>) -> Import {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Import {
        new: count(plan.new.len()),
        changed: count(plan.changed.len()),
        unchanged: plan.unchanged,
        new_people: count(plan.new_people.len()),
        people: plan.new_people.iter().take(MAX_CHANGES).cloned().collect(),
        removal,
        changes: plan.changes(present).into_iter().take(MAX_CHANGES).collect(),
        errors: Vec::new(),
    }
}

fn refused(errors: Vec<SourcePlace>) -> Import {
    Import { errors, ..summary(&Plan::default(), &Present::default(), None) }
}
