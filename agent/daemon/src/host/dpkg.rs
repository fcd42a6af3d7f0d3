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
}

/// A package that is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) version: String,
    pub(crate) state: State,
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
        self.packages = parse(&String::from_utf8_lossy(&text.unwrap_or_default()));
        self.stamp = Some(Stamp::of(&stat));
        Ok(true)
    }

    /// Those of which dpkg has more than their configuration files.
    pub(crate) fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }
}

/// Reads stanzas. Of a package installed for several architectures, the machine's own (dpkg's) counts.
fn parse(text: &str) -> BTreeMap<String, Package> {
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
    packages
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
        let packages = parse(text);
        assert!(!packages.contains_key("gone"));
        assert_eq!(packages["half"].state, State::Partly);
        assert_eq!(packages["two"].version, "3");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(Package|Status|Version|[a-z: \\n]|\\PC){0,80}") {
            parse(&text);
        }
    }
}
