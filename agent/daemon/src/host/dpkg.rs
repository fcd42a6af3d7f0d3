//! Which packages are installed, from dpkg's own status file.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::files::{self, Stamp};
use super::walk::Root;

/// Where dpkg keeps what is installed.
pub(super) const STATUS: &str = "/var/lib/dpkg/status";
/// Some thousand packages make a few megabytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// dpkg's view of the packages, parsed when its file has changed.
#[derive(Debug, Default)]
pub(crate) struct Status {
    stamp: Option<Stamp>,
    packages: BTreeMap<String, Package>,
    architecture: String,
}

/// A package that is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) version: String,
    pub(crate) state: State,
}

/// What a package file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
}

impl Control {
    /// Reads the fields as dpkg-deb prints them; `None` where one is missing, or the version is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        /// Far more than versions have, in bytes.
        const LONGEST: usize = 128;
        let Stanza { package, version, architecture, .. } = Stanza::parse(text)?;
        let is_version = (1..=LONGEST).contains(&version.len())
            && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+:~-".contains(&b));
        (is_version && !architecture.is_empty()).then(|| Self {
            name: package.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
        })
    }
}

/// How far a package is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Installed and configured, if perhaps with triggers to run.
    Installed,
    /// Unpacked or half-way: the package manager was interrupted, or a script of the package failed.
    Partly,
}

impl Status {
    /// Reads the status file again if it is another one than before. False where there is none.
    pub(crate) fn refresh(&mut self, root: &Root) -> Result<bool> {
        let stat = root.place(STATUS)?.map(|place| place.stat()).transpose()?.flatten();
        let Some(stat) = stat else {
            *self = Self::default();
            return Ok(false);
        };
        if self.stamp == Some(Stamp::of(&stat)) {
            return Ok(true);
        }
        let text = files::content(root, STATUS, LIMIT).with_context(|| format!("reading {STATUS}"))?;
        (self.packages, self.architecture) = parse(&String::from_utf8_lossy(&text.unwrap_or_default()));
        self.stamp = Some(Stamp::of(&stat));
        Ok(true)
    }

    /// Those of which dpkg has more than their configuration files.
    pub(crate) fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }

    /// The architecture of this machine as packages name it, such as `amd64`; empty when dpkg has no package of itself.
    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }
}

/// Reads stanzas, and which architecture is the machine's own: dpkg's. Of a package installed for several it is the one that counts.
fn parse(text: &str) -> (BTreeMap<String, Package>, String) {
    let stanzas: Vec<Stanza<'_>> = text.split("\n\n").filter_map(Stanza::parse).collect();
    let native =
        stanzas.iter().find(|stanza| stanza.package == "dpkg").map_or("", |stanza| stanza.architecture);
    let mut packages = BTreeMap::new();
    for stanza in stanzas {
        let Some(state) = stanza.state() else { continue };
        let foreign = stanza.architecture != "all" && stanza.architecture != native;
        if foreign && packages.contains_key(stanza.package) {
            continue;
        }
        let package = Package { version: stanza.version.to_owned(), state };
        packages.insert(stanza.package.to_owned(), package);
    }
    (packages, native.to_owned())
}

struct Stanza<'a> {
    package: &'a str,
    status: &'a str,
    version: &'a str,
    architecture: &'a str,
}

impl<'a> Stanza<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut stanza = Self { package: "", status: "", version: "", architecture: "" };
        for line in text.lines() {
            // What begins with a space continues a field that is none of these.
            let Some((field, value)) = line.split_once(": ") else { continue };
            match field {
                "Package" => stanza.package = value,
                "Status" => stanza.status = value,
                "Version" => stanza.version = value,
                "Architecture" => stanza.architecture = value,
                _ => {}
            }
        }
        (!stanza.package.is_empty()).then_some(stanza)
    }

    fn state(&self) -> Option<State> {
        match self.status.rsplit(' ').next().unwrap_or_default() {
            "installed" | "triggers-awaited" | "triggers-pending" => Some(State::Installed),
            "unpacked" | "half-configured" | "half-installed" => Some(State::Partly),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_says_what_dpkg_query_says_of_this_machine() {
        let output = Command::new("dpkg-query")
            .args(["-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"])
            .output()
            .unwrap();
        let mut status = Status::default();
        status.refresh(&Root::open(std::path::Path::new("/")).unwrap()).unwrap();
        let mut seen = 0;
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [name, version, state] = words[..] else { continue };
            let ours = status
                .packages()
                .get(name)
                .filter(|p| p.state == State::Installed)
                .map(|p| p.version.as_str());
            assert_eq!(ours, (state == "installed").then_some(version), "{line}");
            seen += 1;
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn removed_and_half_installed_packages_do_not_count_as_installed() {
        let text = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                    Package: half\nStatus: install ok half-configured\nArchitecture: amd64\nVersion: 2\n\n\
                    Package: two\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3\n\n\
                    Package: two\nStatus: install ok installed\nArchitecture: i386\nVersion: 2\n";
        let (packages, architecture) = parse(text);
        assert_eq!(architecture, "amd64");
        assert!(!packages.contains_key("gone"));
        assert_eq!(packages["half"].state, State::Partly);
        assert_eq!(packages["two"].version, "3");
    }

    #[test]
    fn a_package_file_says_which_package_it_is_in_fields_that_begin_a_line() {
        let said = "Package: corp-tool\nVersion: 1:2.0~rc1-3\n Version: 9\nArchitecture: all\n";
        let control = Control::parse(said).unwrap();
        assert_eq!((control.name.as_str(), control.version.as_str()), ("corp-tool", "1:2.0~rc1-3"));
        assert_eq!(control.architecture, "all");
        for wrong in [
            "",
            "Version: 1\nArchitecture: all\n",
            "Package: x\nArchitecture: all\n",
            "Package: x\nVersion: 1\n",
            "Package: x\nVersion: 1 $(id)\nArchitecture: all\n",
        ] {
            assert_eq!(Control::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(Package|Status|Version|[a-z: \\n]|\\PC){0,80}") {
            parse(&text);
            Control::parse(&text);
        }
    }
}
