//! Whether the machine may lose its power before something long is done.

use rustix::fs::OFlags;

use super::{Host, files, walk};

const SUPPLIES: &str = "/sys/class/power_supply";
/// More supplies than a machine has.
const MOST: usize = 64;
/// Less than this, in percent, may not last for a package manager's work.
const LOW: u8 = 30;
/// A property is a word.
const LIMIT: u64 = 4096;

impl Host {
    /// How full the battery is, in percent, where the machine runs on it and it is low.
    pub(crate) fn low_battery(&self) -> Option<u8> {
        // What can't be read is told by no supply.
        let place = self.root.place(SUPPLIES).ok()??;
        let names = walk::names(&place.open(OFlags::DIRECTORY).ok()?, MOST).ok()?;
        let property = |supply: &str, name: &str| {
            let text = files::content(&self.root, &format!("{SUPPLIES}/{supply}/{name}"), LIMIT).ok()??;
            Some(String::from_utf8_lossy(&text).trim().to_owned())
        };
        let is = |supply: &str, name: &str, value: &str| property(supply, name).as_deref() == Some(value);
        // A mouse has one too.
        let own = |supply: &&String| is(supply, "type", "Battery") && !is(supply, "scope", "Device");
        let batteries: Vec<&String> = names.iter().filter(own).collect();
        let runs_on_it = batteries.iter().any(|supply| is(supply, "status", "Discharging"));
        let fullest =
            batteries.iter().filter_map(|supply| property(supply, "capacity")?.parse().ok()).max()?;
        (runs_on_it && fullest < LOW).then_some(fullest)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_battery_is_low_where_the_machine_runs_on_it_and_no_other_one_is_fuller() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::at(folder.path(), &folder.path().join("run"), folder.path()).unwrap();
        assert_eq!(host.low_battery(), None);
        let put = |supply: &str, properties: &[(&str, &str)]| {
            let real = folder.path().join("sys/devices").join(supply);
            fs::create_dir_all(&real).unwrap();
            fs::create_dir_all(folder.path().join("sys/class/power_supply")).unwrap();
            let link = folder.path().join("sys/class/power_supply").join(supply);
            fs::remove_file(&link).ok();
            std::os::unix::fs::symlink(format!("../../devices/{supply}"), link).unwrap();
            for (name, value) in properties {
                fs::write(real.join(name), format!("{value}\n")).unwrap();
            }
        };
        put(
            "mouse",
            &[("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("capacity", "1")],
        );
        put("AC", &[("type", "Mains"), ("online", "0")]);
        put("BAT0", &[("type", "Battery"), ("status", "Discharging"), ("capacity", "2")]);
        assert_eq!(host.low_battery(), Some(2));
        put("BAT0", &[("status", "Charging")]);
        assert_eq!(host.low_battery(), None);
        put("BAT0", &[("status", "Discharging"), ("capacity", "30")]);
        assert_eq!(host.low_battery(), None);
        put("BAT0", &[("capacity", "2")]);
        put("BAT1", &[("type", "Battery"), ("status", "Not charging"), ("capacity", "90")]);
        assert_eq!(host.low_battery(), None);
        put("BAT1", &[("capacity", "odd")]);
        assert_eq!(host.low_battery(), Some(2));
    }
}
