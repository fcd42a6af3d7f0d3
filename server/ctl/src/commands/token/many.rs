//! A token for each of many serials, in a file of its own each.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use muster_proto::serial;

use crate::failure::Failure;

/// The serials of a file, one a line, with the file that each one's token goes to: none of them may be there yet.
pub(super) fn plan(list: &Path, folder: &Path, end: &str) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let shown = list.display();
    let text = fs::read_to_string(list)
        .map_err(|error| Failure::new(format!("can't read {shown}")).because(error))?;
    let mut files = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let serial = serial::recorded(line)
            .map_err(|error| Failure::new(format!("{shown}:{number} is no serial")).because(error))?;
        let path = folder.join(format!("{}.{end}", file_name(&serial)));
        if path.exists() || files.values().any(|other| *other == path) {
            return Err(Failure::new(format!("{} is there already, for serial {serial}", path.display()))
                .next("name another folder with --out, or take the serial out of the list"));
        }
        files.insert(serial, path);
    }
    if files.is_empty() {
        return Err(Failure::new(format!("{shown} has no serial")).next("write one a line"));
    }
    Ok(files)
}

/// A serial as the name of a file: what would lead into another folder is written otherwise.
fn file_name(serial: &str) -> String {
    serial.replace(['/', ' '], "_")
}

/// Makes the folder for its owner alone, if it is not there: each file holds a secret.
pub(super) fn make(folder: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::new(format!("can't make {}", folder.display())).because(error))
}

/// Writes a file for its owner alone.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::new(format!("can't write {}", path.display())).because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_serial_has_a_file_of_its_own_inside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("serials");
        let planned = |text: &str| {
            fs::write(&list, text).unwrap();
            plan(&list, folder.path(), "toml")
        };
        let files = planned("PF1\n\n ../PF2 \n").unwrap();
        let names: Vec<_> = files.values().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, [Path::new(".._PF2.toml"), Path::new("PF1.toml")]);
        assert!(planned("PF1\nPF1\n").is_err(), "two tokens for one machine are a mistake");
        assert!(planned("\n").is_err() && planned("-x\n").is_err());
        write(&folder.path().join("PF1.toml"), "secret").unwrap();
        assert!(planned("PF1\n").is_err(), "nothing is written over");
    }
}
