//! What a file of devices changes: upserts by serial, all or nothing.
//!
//! Columns are Muster's own (`serial,name,owner,labels`, labels split by `;`) or those of a Windows Autopilot file.
//! What a file has a column for is made so, empty fields too; what it has no column for stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::resource::value::AccountName;
use muster_proto::rest::{ImportChange, NewPerson, SourcePlace};
use muster_proto::serial;

use crate::{name, people};

/// Where the fields stand in each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    serial: usize,
    name: Option<usize>,
    owner: Option<usize>,
    labels: Option<usize>,
    /// How many the first row names.
    width: usize,
}

/// A device as a row wants it, checked. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: u64,
    /// Its serial.
    pub serial: String,
    /// Its name.
    pub name: Option<String>,
    /// Username of its owner; empty for none.
    pub owner: Option<String>,
    /// All its labels.
    pub labels: Option<BTreeSet<String>>,
}

/// A device's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its serial.
    pub serial: String,
    /// Its name.
    pub name: String,
    /// Username of its owner.
    pub owner: Option<String>,
    /// Its labels.
    pub labels: BTreeSet<String>,
}

/// What an import changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Devices to register.
    pub new: Vec<Record>,
    /// Devices whose record becomes this.
    pub changed: Vec<Record>,
    /// How many are as the file says.
    pub unchanged: u32,
    /// Owners who are not known yet.
    pub new_people: BTreeSet<String>,
}

/// What an import stands against.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Records by serial, at least of those that the file names.
    pub devices: BTreeMap<String, Record>,
    /// Serial of the device that has a name, at least for the names in the file.
    pub names: BTreeMap<String, String>,
    /// Usernames that are known, at least of those in the file.
    pub people: BTreeSet<String>,
}

impl Columns {
    /// Finds the columns by the file's first row.
    pub fn find(header: &[&str]) -> Result<Self, SourcePlace> {
        let plain = |text: &str| text.trim_start_matches('\u{feff}').trim().to_ascii_lowercase();
        let at = |names: &[&str]| header.iter().position(|h| names.contains(&plain(h).as_str()));
        let serial = at(&["serial", "device serial number"]).ok_or_else(|| SourcePlace {
            line: 1,
            column: 1,
            message: "the first row names no column serial: write serial,name,owner,labels".to_owned(),
        })?;
        const KNOWN: [&str; 7] =
            ["serial", "name", "owner", "labels", "device serial number", "assigned user", "group tag"];
        // Read by nobody, but part of Autopilot files.
        const UNREAD: [&str; 4] =
            ["windows product id", "hardware hash", "manufacturer name", "device model"];
        let unknown = header
            .iter()
            .position(|h| !KNOWN.contains(&plain(h).as_str()) && !UNREAD.contains(&plain(h).as_str()));
        if let Some(index) = unknown {
            let message =
                format!("unknown column {:?}: known are serial, name, owner and labels", header[index]);
            return Err(SourcePlace { line: 1, column: index as u64 + 1, message });
        }
        Ok(Self {
            serial,
            name: at(&["name"]),
            owner: at(&["owner", "assigned user"]),
            labels: at(&["labels", "group tag"]),
            width: header.len(),
        })
    }

    /// Reads a row; every error names the line and the column's number.
    pub fn read(&self, line: u64, fields: &[&str]) -> Result<Row, Vec<SourcePlace>> {
        let mut errors = Vec::new();
        let mut check = |column: Option<usize>, read: &mut dyn FnMut(&str) -> Result<(), String>| {
            let Some(column) = column else { return };
            if let Err(message) = read(fields.get(column).map_or("", |field| field.trim())) {
                errors.push(SourcePlace { line, column: column as u64 + 1, message });
            }
        };
        let mut row = Row { line, serial: String::new(), name: None, owner: None, labels: None };
        check(Some(self.serial), &mut |text| {
            serial::recorded(text).map(|s| row.serial = s).map_err(|e| e.to_string())
        });
        check(self.name, &mut |text| {
            if text.is_empty() {
                return Ok(());
            }
            name::device(text).map(|n| row.name = Some(n.to_owned())).map_err(|e| e.to_string())
        });
        check(self.owner, &mut |text| {
            // Autopilot names people by their address.
            let username = text.split('@').next().unwrap_or_default();
            row.owner = Some(username.to_owned());
            let known = username.is_empty() || AccountName::parse(username).is_ok();
            if known { Ok(()) } else { Err(format!("expected an account name, not {username:?}")) }
        });
        check(self.labels, &mut |text| {
            let labels = text.split(';').map(str::trim).filter(|label| !label.is_empty());
            let labels: Result<BTreeSet<_>, _> = labels.map(|l| name::label(l).map(str::to_owned)).collect();
            labels.map(|labels| row.labels = Some(labels)).map_err(|e| e.to_string())
        });
        if fields.len() > self.width {
            let message = format!(
                "{} fields, but the first row names {} columns; labels are split by ; as in laptop;canary",
                fields.len(),
                self.width
            );
            errors.push(SourcePlace { line, column: self.width as u64 + 1, message });
        }
        if errors.is_empty() { Ok(row) } else { Err(errors) }
    }
}

impl Plan {
    /// Device by device what the import changes, the new ones first.
    pub fn changes(&self, present: &Present) -> Vec<ImportChange> {
        let change = |record: &Record, before: Option<&Record>| ImportChange {
            serial: record.serial.clone(),
            name: record.name.clone(),
            new: before.is_none(),
            fields: differences(before, record),
        };
        let new = self.new.iter().map(|record| change(record, None));
        new.chain(self.changed.iter().map(|record| change(record, present.devices.get(&record.serial))))
            .collect()
    }
}

/// What differs, such as `owner: ada -> none`; of a new device what it has.
fn differences(before: Option<&Record>, after: &Record) -> Vec<String> {
    let labels = |record: &Record| record.labels.iter().map(String::as_str).collect::<Vec<_>>().join(";");
    let fields = [
        ("name", before.map(|b| b.name.clone()), after.name.clone()),
        (
            "owner",
            before.map(|b| b.owner.clone().unwrap_or_default()),
            after.owner.clone().unwrap_or_default(),
        ),
        ("labels", before.map(labels), labels(after)),
    ];
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    fields
        .into_iter()
        .filter_map(|(field, before, after)| match before {
            Some(before) if before == after => None,
            Some(before) => Some(format!("{field}: {} -> {}", or_none(before), or_none(after))),
            None if after.is_empty() => None,
            None => Some(format!("{field}: {after}")),
        })
        .collect()
}

/// What the rows change, or everything that keeps them from being imported.
pub fn plan(rows: &[Row], present: &Present) -> Result<Plan, Vec<SourcePlace>> {
    let mut plan = Plan::default();
    let mut errors = Vec::new();
    let mut serials: BTreeMap<&str, u64> = BTreeMap::new();
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let mut wrong = |message: String| errors.push(SourcePlace { line: row.line, column: 0, message });
        if let Some(first) = serials.insert(&row.serial, row.line) {
            wrong(format!("serial {} stands in line {first} already", row.serial));
            continue;
        }
        let before = present.devices.get(&row.serial);
        // What was registered before serials were narrowed to what makers print can still be changed.
        if before.is_none()
            && let Err(error) = serial::check(&row.serial)
        {
            wrong(format!("serial {:?}: {error}", row.serial));
        }
        let record = wanted(row, before);
        if let Some(first) = names.insert(record.name.clone(), row.line) {
            wrong(format!("name {} stands in line {first} already", record.name));
        }
        let holder = present.names.get(&record.name).filter(|serial| **serial != row.serial);
        // A name may change hands only when its holder gets another one in the same file.
        let frees = |serial: &String| {
            rows.iter().any(|r| r.serial == *serial && r.name.as_ref().is_some_and(|n| *n != record.name))
        };
        if let Some(serial) = holder.filter(|serial| !frees(serial)) {
            wrong(format!("name {} belongs to the device with serial {serial}", record.name));
        }
        if let Some(owner) = record.owner.as_ref().filter(|owner| !present.people.contains(*owner)) {
            // Whoever is added by an import is a person like any other: nobody called like a group of systems.
            let new = NewPerson { username: owner.clone(), ..NewPerson::default() };
            if let Err(error) = people::person(&new) {
                wrong(format!("owner {owner} can't be added as a person: {error}"));
            }
            plan.new_people.insert(owner.clone());
        }
        match before {
            None => plan.new.push(record),
            Some(before) if *before == record => plan.unchanged += 1,
            Some(_) => plan.changed.push(record),
        }
    }
    if errors.is_empty() { Ok(plan) } else { Err(errors) }
}

fn wanted(row: &Row, before: Option<&Record>) -> Record {
    let owner = match &row.owner {
        Some(owner) => Some(owner.clone()).filter(|owner| !owner.is_empty()),
        None => before.and_then(|before| before.owner.clone()),
    };
    Record {
        serial: row.serial.clone(),
        name: row
            .name
            .clone()
            .or_else(|| before.map(|before| before.name.clone()))
            .unwrap_or_else(|| name_for(&row.serial)),
        owner,
        labels: row.labels.clone().or_else(|| before.map(|before| before.labels.clone())).unwrap_or_default(),
    }
}

/// The labels that a device had and has no longer.
pub fn taken(before: &BTreeSet<String>, after: &BTreeSet<String>) -> BTreeSet<String> {
    before.difference(after).cloned().collect()
}

/// What a device is called that nobody gave a name.
pub fn name_for(serial: &str) -> String {
    match name::device_from(&serial.replace('.', "-")) {
        empty if empty.is_empty() => "device".to_owned(),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Row>, Vec<SourcePlace>> {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let columns = Columns::find(&lines.next().unwrap()).map_err(|e| vec![e])?;
        let mut errors = Vec::new();
        let mut rows = Vec::new();
        for (index, fields) in lines.enumerate() {
            match columns.read(index as u64 + 2, &fields) {
                Ok(row) => rows.push(row),
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() { Ok(rows) } else { Err(errors) }
    }

    fn present(records: &[Record]) -> Present {
        Present {
            devices: records.iter().map(|r| (r.serial.clone(), r.clone())).collect(),
            names: records.iter().map(|r| (r.name.clone(), r.serial.clone())).collect(),
            people: records.iter().filter_map(|r| r.owner.clone()).collect(),
        }
    }

    #[test]
    fn a_second_import_of_the_same_file_changes_nothing() {
        let rows =
            rows("serial,name,owner,labels\nPF1,lap-ada,ada,laptop;canary\nPF2,web-1,,server").unwrap();
        let first = plan(&rows, &Present::default()).unwrap();
        assert_eq!((first.new.len(), first.new_people.len()), (2, 1));
        let second = plan(&rows, &present(&first.new)).unwrap();
        assert_eq!(second, Plan { unchanged: 2, ..Plan::default() });
    }

    #[test]
    fn a_column_that_is_not_there_leaves_the_record_alone_and_an_empty_field_clears_it() {
        let ada = Record {
            serial: "PF1".into(),
            name: "lap-ada".into(),
            owner: Some("ada".into()),
            labels: ["laptop".to_owned()].into(),
        };
        let present = present(std::slice::from_ref(&ada));
        assert_eq!(plan(&rows("serial\nPF1").unwrap(), &present).unwrap().unchanged, 1);
        let cleared = plan(&rows("serial,owner\nPF1,").unwrap(), &present).unwrap();
        assert_eq!(cleared.changed, [Record { owner: None, ..ada }]);
    }

    #[test]
    fn every_wrong_field_is_named_with_its_line_and_column() {
        let errors = rows("serial,name,owner,labels\nPF1,../x,ada,ok\n0000,fine,Bob;x,a b").unwrap_err();
        let places: Vec<_> = errors.iter().map(|e| (e.line, e.column)).collect();
        assert_eq!(places, [(2, 2), (3, 1), (3, 3), (3, 4)]);
    }

    #[test]
    fn a_row_with_more_fields_than_the_first_names_its_line_and_how_labels_are_split() {
        let errors = rows("serial,name,owner,labels\nPF1,lap-ada,ada,laptop,canary").unwrap_err();
        assert_eq!((errors.len(), errors[0].line, errors[0].column), (1, 2, 5));
        assert!(errors[0].message.contains("laptop;canary"), "{errors:?}");
    }

    #[test]
    fn the_changes_say_which_devices_are_new_and_what_differs_of_the_others() {
        let ada = Record {
            serial: "PF1".into(),
            name: "lap-ada".into(),
            owner: Some("ada".into()),
            labels: ["laptop".to_owned()].into(),
        };
        let present = present(&[ada]);
        let text = "serial,name,owner,labels\nPF1,lap-ada,,laptop;canary\nPF2,web,,";
        let changes = plan(&rows(text).unwrap(), &present).unwrap().changes(&present);
        let said: Vec<_> = changes.iter().map(|c| (c.name.as_str(), c.new, c.fields.join(", "))).collect();
        assert_eq!(
            said,
            [
                ("web", true, "name: web".to_owned()),
                ("lap-ada", false, "owner: ada -> none, labels: laptop -> canary;laptop".to_owned()),
            ]
        );
    }

    #[test]
    fn a_serial_that_is_an_order_of_a_shell_is_not_registered_and_can_be_changed_where_it_is() {
        let rows = rows("serial,name\nX$(id),a").unwrap();
        let errors = plan(&rows, &Present::default()).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 2));
        assert!(errors[0].message.contains("X$(id)"), "{errors:?}");
        let record =
            Record { serial: "X$(id)".into(), name: "b".into(), owner: None, labels: BTreeSet::new() };
        assert_eq!(plan(&rows, &present(&[record])).unwrap().changed.len(), 1);
    }

    #[test]
    fn an_owner_called_like_a_group_of_systems_is_refused_with_the_row_unless_they_are_a_person_already() {
        let rows = rows("serial,owner\nPF1,ada\nPF2,docker").unwrap();
        let errors = plan(&rows, &Present::default()).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 3));
        assert!(errors[0].message.contains("docker"), "{errors:?}");
        let present = Present { people: BTreeSet::from(["docker".to_owned()]), ..Present::default() };
        assert_eq!(plan(&rows, &present).unwrap().new_people, BTreeSet::from(["ada".to_owned()]));
    }

    #[test]
    fn a_serial_or_name_that_stands_twice_is_refused() {
        let twice = rows("serial,name\nPF1,a\nPF1,b").unwrap();
        assert_eq!(plan(&twice, &Present::default()).unwrap_err()[0].line, 3);
        let names = rows("serial,name\nPF1,a\nPF2,a").unwrap();
        assert_eq!(plan(&names, &Present::default()).unwrap_err()[0].line, 3);
    }

    #[test]
    fn a_name_of_another_device_is_refused_unless_that_gets_another_in_the_same_file() {
        let record = Record { serial: "PF1".into(), name: "a".into(), owner: None, labels: BTreeSet::new() };
        let present = present(&[record]);
        assert!(plan(&rows("serial,name\nPF2,a").unwrap(), &present).is_err());
        assert!(plan(&rows("serial,name\nPF2,a\nPF1,b").unwrap(), &present).is_ok());
    }

    #[test]
    fn an_autopilot_file_is_understood() {
        let rows = rows(
            "Device Serial Number,Windows Product ID,Hardware Hash,Group Tag,Assigned User\nPF1,,T0F,laptop,ada@corp.example",
        )
        .unwrap();
        assert_eq!((rows[0].serial.as_str(), rows[0].owner.as_deref()), ("PF1", Some("ada")));
    }

    #[test]
    fn the_columns_that_makers_add_to_an_autopilot_file_are_passed_over() {
        let rows = rows(
            "\u{feff}Device Serial Number,Windows Product ID,Hardware Hash,Manufacturer name,Device model\nPF1,,T0F,LENOVO,20XX",
        )
        .unwrap();
        let row = Row { line: 2, serial: "PF1".into(), name: None, owner: None, labels: None };
        assert_eq!(rows, [row]);
    }

    #[test]
    fn a_serial_that_many_machines_have_is_refused_with_what_to_write_in_its_place() {
        for junk in
            ["Default string", "To Be Filled By O.E.M.", "System Serial Number", "None", "0", "Not Specified"]
        {
            let errors = rows(&format!("serial,name\n{junk},lap-ada")).unwrap_err();
            assert_eq!((errors.len(), errors[0].line, errors[0].column), (1, 2, 1));
            assert!(errors[0].message.contains("placeholder"), "{errors:?}");
            assert!(errors[0].message.contains("product_uuid"), "{errors:?}");
        }
    }

    #[test]
    fn a_system_uuid_is_the_same_device_however_its_letters_are_written() {
        let uuid = "4c4c4544-0042-3510-8052-b4c04f4e3233";
        let first = plan(&rows(&format!("serial\n{uuid}")).unwrap(), &Present::default()).unwrap();
        let again = rows(&format!("serial\n{}", uuid.to_ascii_uppercase())).unwrap();
        assert_eq!(plan(&again, &present(&first.new)).unwrap().unchanged, 1);
        assert_eq!(first.new[0].name, uuid);
    }

    #[test]
    fn an_unknown_column_is_refused_by_name() {
        assert!(Columns::find(&["serial", "ownr"]).unwrap_err().message.contains("ownr"));
        assert!(Columns::find(&["name"]).is_err());
    }
}
