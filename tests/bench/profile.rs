//! One desired state, written in the language of each tool.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use muster_tests::Device;
use serde_json::{Value, json};

/// What every tool is asked for: the same number of the same things, each tool with names and a folder of its own.
#[derive(Debug)]
pub(crate) struct Profile {
    /// The folder below which files, directories and links are.
    pub(crate) root: String,
    directories: Vec<String>,
    /// Path and content.
    files: Vec<(String, String)>,
    /// Path and target.
    links: Vec<(String, String)>,
    lines: Vec<String>,
    /// Name and number of accounts, each of which comes with a [`group`] of its own.
    people: Vec<(String, u32)>,
    packages: Vec<String>,
    checks: usize,
}

impl Profile {
    /// A thousand files of about 600 bytes.
    pub(crate) fn files_only(root: &str) -> Self {
        Self {
            root: root.to_owned(),
            directories: vec![],
            files: (0..1_000).map(|i| file(root, i)).collect(),
            links: vec![],
            lines: vec![],
            people: vec![],
            packages: vec![],
            checks: 0,
        }
    }

    /// A thousand resources: 100 directories, 100 packages of those that are installed, 20 groups and 20 accounts, 50 lines of one
    /// file, 50 links, and files for the rest.
    pub(crate) fn mixed(root: &str, prefix: &str, first_number: u32, installed: &str) -> Self {
        let packages: Vec<String> = installed.lines().take(100).map(str::to_owned).collect();
        let files = 1_000 - 100 - packages.len() - 40 - 50 - 50;
        Self {
            root: root.to_owned(),
            directories: (0..100).map(|i| format!("{root}/d/dir{i:04}")).collect(),
            files: (0..files).map(|i| file(root, i)).collect(),
            links: (0..50)
                .map(|i| (format!("{root}/l/link{i:04}"), format!("{root}/f/file{i:04}.conf")))
                .collect(),
            lines: (0..50).map(|i| format!("setting.{i:04} = value{i}")).collect(),
            people: (0..20).map(|i| (format!("{prefix}{i:02}"), first_number + i)).collect(),
            packages,
            checks: 0,
        }
    }

    /// The same with so many checks, each of which passes after a look at every installed package.
    pub(crate) fn with_checks(self, checks: usize) -> Self {
        Self { checks, ..self }
    }

    /// What is in the files.
    pub(crate) fn contents(&self) -> Vec<String> {
        self.files.iter().map(|(_, content)| content.clone()).collect()
    }

    /// One of the files and what is in it, to be changed behind the tool's back.
    pub(crate) fn file(&self, number: usize) -> (&str, &str) {
        let (path, content) = &self.files[number % self.files.len()];
        (path, content)
    }

    /// Makes the folders, and the file that lines go into, which the tools expect to be there.
    pub(crate) fn make_ready(&self, device: &Device<'_>) -> Result<()> {
        for part in ["d", "f", "l"] {
            let folder = format!("{}/{part}", self.root);
            std::fs::create_dir_all(device.path(&folder)).with_context(|| format!("making {folder}"))?;
        }
        if !self.lines.is_empty() {
            device.write_file(self.line_file(), "", 0o644)?;
        }
        Ok(())
    }

    fn line_file(&self) -> String {
        format!("{}/lines.conf", self.root)
    }

    /// As a profile document of Muster's.
    pub(crate) fn muster(&self, name: &str) -> String {
        let mut resources: Vec<Value> = vec![];
        resources.extend(self.packages.iter().map(|name| json!({"package": {"name": name}})));
        for (name, number) in &self.people {
            resources.push(json!({"group": {"name": group(name), "gid": number}}));
            resources.push(json!({"account": {"name": name, "uid": number, "shell": "/bin/sh"}}));
        }
        let directories =
            self.directories.iter().map(|path| json!({"directory": {"path": path, "mode": "0750"}}));
        resources.extend(directories);
        // They stay for the next run, which would pay for their going: see `measure_muster`.
        let file = |(path, content): &(String, String)| json!({"file": {"path": path, "mode": "0640", "content": content, "on_removal": "keep"}});
        resources.extend(self.files.iter().map(file));
        resources.extend(
            self.links.iter().map(|(path, target)| json!({"link": {"path": path, "target": target}})),
        );
        let line = |line: &String| json!({"line": {"path": self.line_file(), "line": line}});
        resources.extend(self.lines.iter().map(line));
        let check = |number| {
            json!({
                "id": format!("no-such-package-{number}"),
                "title": "A package that nobody has is not installed",
                "violations": format!("SELECT name FROM deb_packages WHERE name LIKE '%nobody-has-{number}'"),
                "severity": "low",
            })
        };
        let checks: Vec<Value> = (0..self.checks).map(check).collect();
        json!({"muster": 1, "profile": name, "resources": resources, "checks": checks}).to_string()
    }

    /// As a policy file of `CFEngine`'s, as its manual advises: its own package module and its own users promise.
    pub(crate) fn cfengine(&self) -> String {
        let mut policy = String::new();
        if !self.packages.is_empty() {
            policy.push_str("body file control { inputs => { \"$(sys.libdir)/stdlib.cf\" }; }\n");
        }
        policy.push_str(
            "body common control { bundlesequence => { \"main\" }; }\nbundle agent main {\nclasses:\n",
        );
        for (name, _) in &self.people {
            line(&mut policy, format_args!("  \"missing_{name}\" not => groupexists(\"{}\");", group(name)));
        }
        policy.push_str("files:\n");
        for path in &self.directories {
            line(
                &mut policy,
                format_args!("  \"{path}/.\" create => \"true\", perms => bench_mode(\"750\");"),
            );
        }
        for (path, content) in &self.files {
            let promise = format_args!(
                "  \"{path}\" create => \"true\", perms => bench_mode(\"640\"), content => \"{content}\";"
            );
            line(&mut policy, promise);
        }
        for (path, target) in &self.links {
            line(&mut policy, format_args!("  \"{path}\" link_from => bench_link(\"{target}\");"));
        }
        for (number, text) in self.lines.iter().enumerate() {
            let promise = format_args!(
                "  \"{}\" create => \"true\", handle => \"line_{number}\", edit_line => bench_line(\"{text}\");",
                self.line_file()
            );
            line(&mut policy, promise);
        }
        if !self.people.is_empty() {
            policy.push_str("users:\n");
        }
        for (name, number) in &self.people {
            let promise = format_args!(
                "  \"{name}\" policy => \"present\", uid => \"{number}\", group_primary => \"{}\", home_dir => \"/home/{name}\", shell => \"/bin/sh\";",
                group(name)
            );
            line(&mut policy, promise);
        }
        if !self.packages.is_empty() {
            policy.push_str("packages:\n");
        }
        for name in &self.packages {
            line(&mut policy, format_args!("  \"{name}\" policy => \"present\", package_module => apt_get;"));
        }
        if !self.people.is_empty() {
            policy.push_str("commands:\n");
        }
        for (name, number) in &self.people {
            let promise = format_args!(
                "  \"/usr/sbin/groupadd -g {number} {}\" if => \"missing_{name}\";",
                group(name)
            );
            line(&mut policy, promise);
        }
        policy.push_str(
            "}\nbody perms bench_mode(m) { mode => \"$(m)\"; rxdirs => \"false\"; }\n\
             body link_from bench_link(t) { source => \"$(t)\"; when_no_source => \"force\"; }\n\
             bundle edit_line bench_line(l) { insert_lines: \"$(l)\"; }\n",
        );
        policy
    }

    /// As a state file of Salt's. Its first line keeps the template engine out of the figures.
    pub(crate) fn salt(&self) -> String {
        let mut states = serde_json::Map::new();
        for path in &self.directories {
            states.insert(path.clone(), json!({"file.directory": [{"mode": "0750"}]}));
        }
        for (path, content) in &self.files {
            states.insert(path.clone(), json!({"file.managed": [{"contents": content}, {"mode": "0640"}]}));
        }
        for (path, target) in &self.links {
            states.insert(path.clone(), json!({"file.symlink": [{"target": target}]}));
        }
        for (number, text) in self.lines.iter().enumerate() {
            let pattern = format!("^{}$", text.replace('.', "\\.").replace(' ', "\\ "));
            let state = json!([
                {"name": self.line_file()}, {"pattern": pattern}, {"repl": text}, {"append_if_not_found": true}
            ]);
            states.insert(format!("line{number}"), json!({"file.replace": state}));
        }
        for (name, number) in &self.people {
            states.insert(
                format!("group {name}"),
                json!({"group.present": [{"name": group(name)}, {"gid": number}]}),
            );
            let account = json!([
                {"name": name}, {"uid": number}, {"gid": number}, {"home": format!("/home/{name}")},
                {"shell": "/bin/sh"}, {"createhome": false}, {"usergroup": false},
                {"require": [{"group": format!("group {name}")}]}
            ]);
            states.insert(format!("account {name}"), json!({"user.present": account}));
        }
        for name in &self.packages {
            states.insert(format!("package {name}"), json!({"pkg.installed": [{"name": name}]}));
        }
        format!("#!yaml\n{}\n", Value::Object(states))
    }
}

/// The group that goes with an account.
fn group(account: &str) -> String {
    format!("{account}g")
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string takes any text");
}

fn file(root: &str, number: usize) -> (String, String) {
    let line = |j: usize| {
        format!("key_{j:02} = {:0width$}\n", number * 16 + j, width = 8 + (number * 7 + j * 11) % 33)
    };
    (format!("{root}/f/file{number:04}.conf"), (0..16).map(line).collect())
}
