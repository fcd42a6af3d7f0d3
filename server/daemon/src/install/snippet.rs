//! What brings the agent onto a device, by each way a company installs machines.
//!
//! Every way puts the same few files in place and lets the device's own apt do the rest. The files hold the repository's
//! key and the root certificate themselves: whoever has a snippet from this server needs no first download that nobody
//! can check.

/// How a device reaches this server's packages and knows that they are its.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The server's own name.
    pub(crate) host: String,
    /// Where the repository begins.
    pub(crate) packages: String,
    /// The root certificate, PEM; none where the admins' listener shows a certificate that machines trust already.
    pub(crate) root: Option<String>,
    /// The repository's key, armored.
    pub(crate) key: String,
}

/// A file that a way of installing puts onto the device.
struct File {
    path: &'static str,
    secret: bool,
    content: String,
}

const ROOT: &str = "/etc/apt/muster-root.crt";
const TRUST: &str = "/etc/apt/apt.conf.d/80muster";
const SOURCES: &str = "/etc/apt/sources.list.d/muster.sources";
const JOIN_FILE: &str = "/etc/muster/join.toml";

/// An `agent.toml` that was put there first stays, and nobody is asked: there is no terminal to ask at.
const INSTALL: &str = "apt-get install --yes --option Dpkg::Options::=--force-confold muster-agent";

/// Stops at the first mistake, in a shell of its own, as it may be pasted into one that is to go on; for root, who may have
/// no sudo, and for who has it.
const SHELL_HEAD: &str = "(\nset -eu\nsudo=$([ \"$(id -u)\" = 0 ] || echo sudo)\n";

/// The source entry, with the key in it.
pub(crate) fn sources(origin: &Origin) -> String {
    let key: String =
        origin.key.lines().map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect();
    let (suite, component) = (super::repository::SUITE, super::repository::COMPONENT);
    format!(
        "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: {component}\nSigned-By:\n{key}",
        origin.packages
    )
}

/// What is typed on a machine that is there already; with a join file it enrolls at once.
pub(crate) fn shell(origin: &Origin, join_file: Option<&str>) -> String {
    let mut text = SHELL_HEAD.to_owned();
    for file in files(origin, join_file) {
        if file.secret {
            text.push_str(
                "$sudo install -d -m 0700 /etc/muster\n$sudo install -m 0600 /dev/null /etc/muster/join.toml\n",
            );
        }
        text.push_str(&heredoc("$sudo tee", file.path, &file.content, " >/dev/null"));
    }
    text.push_str(&format!("$sudo apt-get update\n$sudo {INSTALL}\n)\n"));
    text
}

/// What makes an image whose clones enroll by themselves.
pub(crate) fn image(origin: &Origin) -> String {
    let mut text =
        "sudo debootstrap --include=systemd-sysv,dbus bookworm image http://deb.debian.org/debian\n"
            .to_owned();
    for file in files(origin, None) {
        text.push_str(&heredoc("sudo tee", &format!("image{}", file.path), &file.content, " >/dev/null"));
    }
    text.push_str(&format!("sudo chroot image apt-get update\nsudo chroot image {INSTALL}\n"));
    text.push_str(
        "sudo install -m 0600 join.toml image/etc/muster/join.toml\nsudo chroot image muster-agent seal --yes\n\
         sudo truncate --size 0 image/etc/machine-id\n",
    );
    text
}

/// User data for cloud-init.
pub(crate) fn cloud_init(origin: &Origin, join_file: &str) -> String {
    let mut text = "#cloud-config\nwrite_files:\n".to_owned();
    for file in files(origin, Some(join_file)) {
        let mode = if file.secret { "0600" } else { "0644" };
        text.push_str(&format!(
            "  - path: {}\n    permissions: \"{mode}\"\n    content: |\n{}",
            file.path,
            indented(&file.content, 6)
        ));
    }
    text.push_str("package_update: true\npackages: [muster-agent]\n");
    text
}

/// An autoinstall file for Ubuntu's installer, or the part of one.
pub(crate) fn autoinstall(origin: &Origin, join_file: &str) -> String {
    let mut text = "#cloud-config\nautoinstall:\n  version: 1\n  late-commands:\n".to_owned();
    text.push_str("    - install -d -m 0700 /target/etc/muster\n    - install -m 0600 /dev/null /target/etc/muster/join.toml\n");
    for file in files(origin, Some(join_file)) {
        let command = heredoc("cat", &format!(">/target{}", file.path), &file.content, "");
        text.push_str(&format!("    - |\n{}", indented(&command, 6)));
    }
    for command in ["apt-get update", INSTALL] {
        text.push_str(&format!("    - curtin in-target --target=/target -- {command}\n"));
    }
    text
}

/// Lines for the preseed file of Debian's installer, whose shell has neither here-documents nor a fixed set of programs.
pub(crate) fn preseed(origin: &Origin, join_file: &str) -> String {
    let mut text = "d-i preseed/late_command string mkdir -p -m 0700 /target/etc/muster && \\\n".to_owned();
    text.push_str("  touch /target/etc/muster/join.toml && chmod 0600 /target/etc/muster/join.toml && \\\n");
    for file in files(origin, Some(join_file)) {
        let lines: String = file.content.lines().map(|line| format!("    echo '{line}'; \\\n")).collect();
        text.push_str(&format!("  {{ \\\n{lines}  }} >/target{} && \\\n", file.path));
    }
    text.push_str(&format!("  in-target apt-get update && in-target {INSTALL}\n"));
    text
}

/// The files, those that hold a secret last. None of their lines has a quote, a backslash or a dollar in it: a server's
/// name, PEM, armor and the join file have no such characters, and a test holds it.
fn files(origin: &Origin, join_file: Option<&str>) -> Vec<File> {
    let open = |path, content| File { path, secret: false, content };
    let mut files = Vec::new();
    if let Some(root) = &origin.root {
        files.push(open(ROOT, root.clone()));
        files.push(open(TRUST, format!("Acquire::https::{}::CaInfo \"{ROOT}\";\n", origin.host)));
    }
    files.push(open(SOURCES, sources(origin)));
    files.extend(join_file.map(|text| File { path: JOIN_FILE, secret: true, content: text.to_owned() }));
    files
}

fn heredoc(program: &str, target: &str, content: &str, rest: &str) -> String {
    format!("{program} {target}{rest} <<'END'\n{content}END\n")
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOIN: &str = "# one machine\nserver = \"m:8440\"\ntrust = [\"sha256:ab\"]\ntoken = \"x-_\"\n";

    fn origin() -> Origin {
        Origin {
            host: "m.example".to_owned(),
            packages: "https://m.example:8443/install/apt".to_owned(),
            root: Some("-----BEGIN CERTIFICATE-----\nab+/=\n-----END CERTIFICATE-----\n".to_owned()),
            key: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nab+/\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
                .to_owned(),
        }
    }

    fn document(text: &str) -> serde_json::Value {
        muster_proto::yaml::Source::read(text).unwrap().value
    }

    #[test]
    fn cloud_init_and_autoinstall_carry_every_file_whole() {
        let cloud = document(&cloud_init(&origin(), JOIN));
        let written = cloud["write_files"].as_array().unwrap();
        let paths: Vec<_> = written.iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(paths, [ROOT, TRUST, SOURCES, JOIN_FILE]);
        assert_eq!(written[2]["content"], sources(&origin()));
        assert_eq!((&written[3]["content"], &written[3]["permissions"]), (&JOIN.into(), &"0600".into()));
        let auto = document(&autoinstall(&origin(), JOIN));
        let commands = auto["autoinstall"]["late-commands"].as_array().unwrap();
        let command = format!("cat >/target{JOIN_FILE} <<'END'\n{JOIN}END\n");
        assert!(commands.iter().any(|found| *found == *command), "{commands:?}");
    }

    #[test]
    fn a_preseed_is_one_logical_line_for_a_plain_shell() {
        let text = preseed(&origin(), JOIN);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[..lines.len() - 1].iter().all(|line| line.ends_with('\\')), "{text}");
        assert!(!text.replace("\\\n", "").contains('\\'), "{text}");
        assert!(text.contains("echo 'token = \"x-_\"'; \\\n"), "{text}");
    }

    #[test]
    fn no_file_has_a_character_that_a_shell_or_a_preseed_takes_for_its_own() {
        for file in files(&origin(), Some(JOIN)) {
            assert!(!file.content.contains(['\'', '\\', '$', '`']), "{}", file.path);
        }
    }

    #[test]
    fn a_certificate_that_machines_trust_already_needs_no_root() {
        let plain = Origin { root: None, ..origin() };
        assert!(!shell(&plain, None).contains(ROOT) && !shell(&plain, None).contains(TRUST));
    }
}
