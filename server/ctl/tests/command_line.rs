//! The command line as an admin types it, against a server that was set up, over TLS on loopback.
#![expect(clippy::unwrap_used, reason = "what helps a test fails like a test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery";
const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
const PROFILE: &str = "muster: 1\nprofile: base\nresources:\n  - repository:\n      name: corp\n      url: https://apt.example.com/debian\n      suite: stable\n      components: [main]\n      key_from: keys/corp.asc\n  - file: { path: /etc/motd, content: hello, mode: \"0644\" }\n";

/// A server in threads of this process, and a home folder for whoever asks it.
struct Place {
    folder: TempDir,
    port: u16,
    fingerprint: String,
}

/// What a command did.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let words = [
            "muster-server",
            "setup",
            "--name",
            "localhost",
            "--trust-domain",
            "corp.example",
            "--yes",
            "--data",
        ];
        let words = words.map(Into::into).into_iter().chain([data.clone().into_os_string()]);
        muster_server::command::run(words).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let devices = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let admins = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(admins.local_addr().unwrap().port()).unwrap();
                muster_server::serve(&data, devices, admins, std::future::pending()).await.unwrap();
            });
        });
        let port = told.recv().unwrap();
        let mut place = Self { folder, port, fingerprint: String::new() };
        // Nobody is at a terminal: the refusal tells the fingerprint that is shown.
        let refused = place.muster(&["login", &place.url(), "--name", "kim"], "");
        let word = refused.err.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
        place.fingerprint = word.to_owned();
        place
    }

    fn with_admin() -> Self {
        let place = Self::start();
        let said = place.set_up();
        assert_eq!(said.code, 0, "{said:?}");
        place
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn set_up(&self) -> Said {
        let link = fs::read_to_string(self.path("data/setup-link")).unwrap();
        let link = link.replace(":8443", &format!(":{}", self.port));
        let words = ["setup", "-", "--name", "kim", "--password-stdin", "--fingerprint", &self.fingerprint];
        self.muster(&words, &format!("{link}{PASSWORD}\n"))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn muster(&self, words: &[&str], input: &str) -> Said {
        muster(self.folder.path(), words, input)
    }

    fn ok(&self, words: &[&str]) -> String {
        let said = self.muster(words, "");
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        said.out
    }
}

fn command(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(words).env_clear().env("HOME", home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn muster(home: &Path, words: &[&str], input: &str) -> Said {
    let mut child = command(home, words).spawn().unwrap();
    match child.stdin.take().unwrap().write_all(input.as_bytes()) {
        // A command that reads nothing may have ended before it is given anything.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.unwrap(),
    }
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_first_day_goes_as_an_admin_types_it() {
    let place = Place::with_admin();
    let devices =
        place.write("devices.csv", "serial,name,owner,labels\nSN1,lap-ada,ada,laptop\nSN2,srv1,,server\n");
    let dry = place.muster(&["device", "import", &devices, "--dry-run"], "");
    assert_eq!(
        (dry.code, dry.out.as_str()),
        (
            2,
            "new lap-ada (SN1): name: lap-ada, owner: ada, labels: laptop\nnew srv1 (SN2): name: srv1, labels: server\n2 new, 0 changed, 0 unchanged, 1 new person (nothing was imported)\n"
        )
    );
    assert!(dry.err.contains("1 person would be added for an owner not known before: ada"), "{dry:?}");
    let real = place.muster(&["device", "import", &devices], "");
    assert!(
        real.code == 0 && real.err.contains("1 person was added for an owner not known before: ada"),
        "{real:?}"
    );
    insta::assert_snapshot!("devices", place.ok(&["device", "list"]));
    insta::assert_snapshot!("devices_csv", place.ok(&["device", "list", "-o", "csv"]));
    place.write("keys/corp.asc", KEY);
    let profile = place.write("base.yaml", PROFILE);
    place.ok(&["profile", "check", &profile]);
    place.ok(&["profile", "apply", &profile]);
    assert!(place.ok(&["profile", "show", "base@1"]).contains("BEGIN PGP PUBLIC KEY"));
    let unasked = place.muster(&["assign", "base@1", "--to", "label:laptop"], "");
    assert_eq!(unasked.code, 1);
    assert!(unasked.err.contains("1 device (lap-ada)") && unasked.err.contains("--yes"), "{unasked:?}");
    let assigned = place.ok(&["assign", "base@1", "--to", "label:laptop", "--yes"]);
    assert_eq!(
        assigned,
        "base@1 is assigned to label:laptop (1 device (lap-ada): 2 resources, 0 conflicts)\n"
    );
    assert!(place.ok(&["assignments", "-o", "json"]).contains("\"target\": \"label:laptop\""));
    assert_eq!(place.ok(&["unassign", "base", "--yes"]), "Ended: base@1 to label:laptop (1 device)\n");
    assert!(place.ok(&["audit", "-o", "csv"]).contains("assignment.end"));
}

#[test]
fn a_bad_revision_is_rolled_back_and_a_second_thought_is_paused_as_an_admin_types_it() {
    let place = Place::with_admin();
    let devices = place.write("devices.csv", "serial,name,labels\nSN1,lap-ada,laptop\nSN2,lap-bob,laptop\n");
    place.ok(&["device", "import", &devices]);
    for text in ["one", "two"] {
        let source = format!(
            "muster: 1\nprofile: base\nresources:\n  - file: {{ path: /etc/motd, content: {text} }}\n"
        );
        let profile = place.write("base.yaml", &source);
        place.ok(&["profile", "apply", &profile]);
        place.ok(&["assign", "base", "--to", "label:laptop", "--yes"]);
    }
    let unasked = place.muster(&["rollback", "base"], "");
    assert_eq!(unasked.code, 1);
    assert!(
        unasked.err.contains("2 devices go from base@2 to base@1.") && unasked.err.contains("--yes"),
        "{unasked:?}"
    );
    let paused = place.ok(&["pause", "lap-bob", "--for", "2h", "--reason", "on the road"]);
    assert!(paused.starts_with("device:lap-bob is paused until 20"), "{paused}");
    assert_eq!(
        place.ok(&["rollback", "base", "--yes"]),
        "base@2 to label:laptop is base@1 again\n2 devices go from base@2 to base@1.\n"
    );
    let nothing = place.muster(&["rollback", "base", "--yes"], "");
    assert!(nothing.err.contains("pinned no other revision before"), "{nothing:?}");
    let why = place.ok(&["why", "lap-bob"]);
    assert!(
        why.contains("by admin:kim ") && why.contains("(device:lap-bob, \"on the road\"), 1 change waits."),
        "{why}"
    );
    assert!(
        why.contains("base@2 becomes base@1") && why.contains("to do: muster resume device:lap-bob"),
        "{why}"
    );
    assert!(place.ok(&["device", "show", "lap-bob"]).contains("is paused since"));
    let list = place.ok(&["pause", "list", "-o", "json"]);
    assert!(list.contains("\"target\": \"device:lap-bob\""), "{list}");
    assert_eq!(
        place.ok(&["resume", "lap-bob"]),
        "device:lap-bob is resumed: 1 device gets what waited for it.\n"
    );
    assert_eq!(place.muster(&["resume"], "").code, 1, "everyone is not paused");
}

#[test]
fn a_device_is_named_alone_wherever_a_target_is_and_a_label_that_was_meant_is_told() {
    let place = Place::with_admin();
    let devices = place.write("devices.csv", "serial,name,labels\nSN1,lap-ada,laptop\n");
    place.ok(&["device", "import", &devices]);
    let text = "muster: 1\nprofile: base\nresources:\n  - file: { path: /etc/motd, content: hello }\nchecks:\n  - id: c\n    \
                title: c\n    violations: SELECT 1 WHERE 0\n    severity: low\n";
    place.ok(&["profile", "apply", &place.write("base.yaml", text)]);
    assert!(place.ok(&["assign", "base", "--to", "lap-ada", "--yes"]).contains("assigned to device:lap-ada"));
    assert!(place.ok(&["unassign", "base", "--from", "lap-ada", "--yes"]).contains("to device:lap-ada"));
    place.ok(&["assign", "base", "--to", "device:lap-ada", "--yes"]);
    let waived = place.ok(&["waiver", "add", "c", "--to", "lap-ada", "--reason", "why", "--until", "9d"]);
    assert!(waived.contains("of c on device:lap-ada is accepted"), "{waived}");
    for words in [vec!["assign", "base", "--yes", "--to"], vec!["pause", "--yes"]] {
        let said = place.muster(&[words.as_slice(), &["laptop"]].concat(), "");
        assert!(said.code == 1 && said.err.contains("write label:laptop"), "{words:?}: {said:?}");
        let said = place.muster(&[words.as_slice(), &["lable:laptop"]].concat(), "");
        assert!(said.err.contains("NAME alone is a device"), "{words:?}: {said:?}");
    }
}

/// Whether a time in it has a fraction of a second.
fn has_fraction(text: &str) -> bool {
    text.split('Z').filter_map(|part| part.rsplit_once('.')).any(|(before, digits)| {
        before.contains('T') && !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[test]
fn times_are_told_to_the_second_and_whole_in_json() {
    let place = Place::with_admin();
    let devices = place.write("devices.csv", "serial,name,labels\nSN1,lap-ada,laptop\n");
    place.ok(&["device", "import", &devices]);
    let text = "muster: 1\nprofile: base\nresources:\n  - file: { path: /etc/motd, content: hello }\n";
    place.ok(&["profile", "apply", &place.write("base.yaml", text)]);
    place.ok(&["assign", "base", "--to", "everyone", "--yes"]);
    place.ok(&["token", "create"]);
    let paused = place.ok(&["pause", "lap-ada", "--for", "2h"]);
    assert!(!has_fraction(&paused), "{paused}");
    for line in [
        "audit",
        "assignments",
        "profile list",
        "profile show base",
        "pause list -o csv",
        "why lap-ada",
        "device show lap-ada",
        "token list",
        "api-token list",
    ] {
        let said = place.ok(&line.split(' ').collect::<Vec<_>>());
        assert!(said.contains('Z') && !has_fraction(&said), "{line}: {said}");
    }
    assert!(has_fraction(&place.ok(&["assignments", "-o", "json"])));
}

#[test]
fn an_import_that_takes_a_profile_from_many_says_that_it_waits_and_what_to_type() {
    let place = Place::with_admin();
    let rows = |labels: &str| (0..11).map(|n| format!("SER{n:02},{labels}\n")).collect::<String>();
    let before = place.write("before.csv", &format!("serial,labels\n{}", rows("laptop")));
    let after = place.write("after.csv", &format!("serial,labels\n{}", rows("")));
    place.ok(&["device", "import", &before]);
    let profile = place.write(
        "base.yaml",
        "muster: 1\nprofile: base\nresources:\n  - file: { path: /etc/motd, content: x }\n",
    );
    place.ok(&["profile", "apply", &profile]);
    place.ok(&["assign", "base", "--to", "label:laptop", "--yes"]);
    let dry = place.muster(&["device", "import", &after, "--dry-run"], "");
    assert!(dry.err.contains("11 devices would lose base (ser00, "), "{dry:?}");
    let real = place.muster(&["device", "import", &after], "");
    assert_eq!((real.code, real.out.as_str()), (0, "0 new, 11 changed, 0 unchanged\n"));
    let id = real.err.split_whitespace().find(|word| word.starts_with("rm-")).unwrap().trim_end_matches(',');
    assert!(place.ok(&["removal", "list"]).contains(id));
    assert!(place.ok(&["why", "ser03"]).contains(&format!("muster removal confirm {id}")));
    assert_eq!(
        place.ok(&["removal", "confirm", id]),
        format!("{id} is confirmed: 11 devices get what waited for them.\n")
    );
    assert!(place.muster(&["removal", "drop", id], "").err.contains("muster removal list"));
}

#[test]
fn a_login_is_kept_for_its_owner_only_and_a_wrong_one_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_admin();
    let mode = fs::metadata(place.path(".config/muster/config.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let login = ["login", &place.url(), "--name", "kim", "--password-stdin"];
    let wrong = place.muster(&login, "not the password\n");
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("check the name and the password"), "{wrong:?}");
    assert_eq!(place.muster(&login, &format!("{PASSWORD}\n")).code, 0);
    assert_eq!(place.set_up().code, 1, "a setup link works once");
}

#[test]
fn an_auditor_is_added_logs_in_and_changes_nothing() {
    let place = Place::with_admin();
    let link = place.ok(&["admin", "add", "ada", "--role", "auditor"]);
    assert!(link.starts_with("https://localhost:8443/setup?name=ada#"), "{link}");
    let own = link.replace(":8443", &format!(":{}", place.port));
    let home = place.path("ada");
    fs::create_dir(&home).unwrap();
    let words = ["setup", "-", "--password-stdin", "--fingerprint", &place.fingerprint];
    let said = muster(&home, &words, &format!("{own}{PASSWORD}\n"));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("as ada (auditor)"), "{said:?}");
    assert_eq!(muster(&home, &["device", "list"], "").code, 0);
    let refused = muster(&home, &["token", "create"], "");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("may read but not change"), "{refused:?}");
    assert!(muster(&home, &["admin", "remove", "kim", "--yes"], "").err.contains("may read but not change"));
    let list = place.ok(&["admin", "list", "-o", "csv"]);
    assert!(list.contains("ada,auditor,active,off,20") && list.contains("Z,1,0"), "{list}");

    assert_eq!(place.ok(&["admin", "role", "ada", "admin"]), "ada is admin from here on.\n");
    assert_eq!(muster(&home, &["token", "create"], "").code, 0, "at once, by the same login");
    assert_eq!(place.ok(&["admin", "logout", "--all", "ada"]), "1 login ended.\n");
    assert!(muster(&home, &["device", "list"], "").err.contains("log in again"));
    place.ok(&["admin", "remove", "ada", "--yes"]);
    let last = place.muster(&["admin", "remove", "kim", "--yes"], "");
    assert!(last.err.contains("Nobody but kim can log in as an admin"), "{last:?}");
}

#[test]
fn a_token_of_a_program_is_narrow_is_listed_and_ends() {
    let place = Place::with_admin();
    let words =
        ["api-token", "create", "grafana", "--role", "auditor", "--scope", "devices:read", "-o", "json"];
    let created: serde_json::Value = serde_json::from_str(&place.ok(&words)).unwrap();
    let id = created["token"]["id"].as_str().unwrap();
    let list = place.ok(&["api-token", "list", "-o", "csv"]);
    assert!(list.contains(&format!("{id},grafana,auditor,devices:read,")), "{list}");
    assert!(list.contains("a login"), "the command line itself: {list}");
    let unfit =
        place.muster(&["api-token", "create", "x", "--role", "auditor", "--scope", "devices:write"], "");
    assert!(unfit.err.contains("changes things and an auditor changes none"), "{unfit:?}");
    assert_eq!(place.ok(&["api-token", "revoke", id]), format!("{id} is revoked.\n"));
    assert!(!place.ok(&["api-token", "list"]).contains("grafana"));
}

#[test]
fn a_password_and_codes_are_changed_at_the_command_line() {
    let place = Place::with_admin();
    let mut child = command(place.folder.path(), &["admin", "totp", "--password-stdin"]).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    writeln!(input, "{PASSWORD}").unwrap();
    let mut lines = output.lines();
    let mut next = || lines.next().unwrap().unwrap();
    let secret = next().split_whitespace().nth(1).unwrap().to_owned();
    assert!(next().contains("otpauth://totp/Muster%20localhost:kim?secret="));
    assert!(next().starts_with("Recovery codes"));
    let recovery: Vec<String> = (0..10).map(|_| next().trim().to_owned()).collect();
    writeln!(input, "{}", code(&secret)).unwrap();
    assert_eq!(next(), "Your logins need a code from here on.");
    assert!(child.wait().unwrap().success());

    let login = ["login", &place.url(), "--name", "kim", "--password-stdin"];
    let without = place.muster(&login, &format!("{PASSWORD}\n"));
    assert_eq!(without.code, 1);
    assert!(without.err.contains("A code of the authenticator"), "{without:?}");
    let with = place.muster(&login, &format!("{PASSWORD}\n{}\n", recovery[0]));
    assert_eq!(with.code, 0, "{with:?}");
    let weak = place.muster(
        &["admin", "password", "--password-stdin"],
        &format!("{PASSWORD}\n{}\npassword1\n", recovery[1]),
    );
    assert!(weak.err.contains("easy to guess"), "{weak:?}");
    let changed = place.muster(
        &["admin", "password", "--password-stdin"],
        &format!("{PASSWORD}\n{}\nnine velvet anchors whisper\n", recovery[1]),
    );
    assert_eq!(changed.code, 0, "{changed:?}");
    let off = ["admin", "totp", "--off", "--password-stdin"];
    let said = place.muster(&off, &format!("nine velvet anchors whisper\n{}\n", recovery[2]));
    assert_eq!(said.out, "Your logins need no code from here on.\n", "{said:?}");
    assert_eq!(place.muster(&login, "nine velvet anchors whisper\n").code, 0);
}

#[test]
fn root_lets_the_last_admin_in_again() {
    let place = Place::with_admin();
    let data = place.path("data");
    let words = ["muster-server", "admin", "reset", "kim", "--data", data.to_str().unwrap()];
    muster_server::command::run(words.map(Into::into)).unwrap();
    assert!(place.muster(&["device", "list"], "").err.contains("log in again"));
    let login = ["login", &place.url(), "--name", "kim", "--password-stdin"];
    assert_eq!(place.muster(&login, &format!("{PASSWORD}\n")).code, 1);
    let words = ["muster-server", "admin", "reset", "nobody", "--data", data.to_str().unwrap()];
    let error = muster_server::command::run(words.map(Into::into)).unwrap_err();
    assert!(format!("{error:#}").contains("no admin called \"nobody\""), "{error:#}");
}

/// What an authenticator shows.
fn code(secret: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(now).to_string()
}

#[test]
fn a_second_login_to_a_server_is_kept_beside_the_first_under_the_name_that_it_is_given() {
    let place = Place::with_admin();
    let login = ["--context", "second", "login", &place.url(), "--name", "kim", "--password-stdin"];
    let said = place
        .muster(&[&login[..], &["--fingerprint", &place.fingerprint]].concat(), &format!("{PASSWORD}\n"));
    assert_eq!(said.code, 0, "{said:?}");
    let listed = place.muster(&["context", "list"], "");
    assert!(listed.out.contains("localhost") && listed.out.contains("second"), "{listed:?}");
}

#[test]
fn another_certificate_than_the_pinned_one_is_not_talked_to() {
    let place = Place::with_admin();
    let other = format!("sha256:{}", "0".repeat(64));
    let login = ["login", &place.url(), "--name", "kim", "--password-stdin", "--fingerprint", &other];
    let said = place.muster(&login, &format!("{PASSWORD}\n"));
    assert_eq!(said.code, 1);
    assert!(said.err.contains("another fingerprint than the one given"), "{said:?}");
    assert!(said.err.contains(&other) && said.err.contains(&place.fingerprint), "{said:?}");
    // The same root under a name that the certificate does not carry.
    let login = ["login", &format!("https://127.0.0.1:{}", place.port), "--name", "kim", "--password-stdin"];
    let said = place.muster(&[&login[..], &["--fingerprint", &place.fingerprint]].concat(), PASSWORD);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("certificate"), "{said:?}");
}

#[test]
fn a_profile_that_another_command_writes_is_checked_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let written = muster(folder.path(), &["profile", "init", "base"], "");
    let said = muster(folder.path(), &["profile", "check", "-"], &written.out);
    assert_eq!((said.code, said.out.as_str()), (0, "-: well written, 3 resources and 1 check\n"), "{said:?}");
    let wrong =
        muster(folder.path(), &["profile", "check", "-"], &written.out.replace("content", "contents"));
    assert!(wrong.code == 1 && wrong.err.starts_with("-:6:"), "{wrong:?}");
}

#[test]
fn errors_in_a_profile_are_told_with_their_places_and_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("base.yaml");
    fs::write(&file, "muster: 1\nprofile: base\nresources:\n  - file: { path: /etc/motd, mode: 0644 }\n")
        .unwrap();
    let said = muster(folder.path(), &["profile", "check", file.to_str().unwrap()], "");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("base.yaml:4:36: write mode: \"0644\", in quotes"), "{said:?}");
}

#[test]
fn what_is_found_in_profiles_is_data_for_a_program_that_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, resource: &str| {
        let text = format!("muster: 1\nprofile: base\nresources:\n  - {resource}\n");
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let warned = write("warned.yaml", "file: { path: /etc/motd, content: hi, after: [\"file:/etc/motc\"] }");
    let wrong = write("wrong.yaml", "file: { path: /etc/motd, mode: 0644 }");
    let said = muster(folder.path(), &["profile", "check", &warned, &wrong, "-o", "json"], "");
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let counted = serde_json::json!({"name": "base", "resources": 1, "checks": 0});
    assert_eq!((said.code, &found[0]["profile"]), (1, &counted), "{said:?}");
    assert_eq!((&found[0]["errors"], &found[0]["warnings"][0]["line"]), (&serde_json::json!([]), &4.into()));
    let warning = found[0]["warnings"][0]["message"].as_str().unwrap();
    assert!(warning.ends_with("(did you mean file:/etc/motd?)"), "{warning}");
    assert_eq!((&found[1]["file"], &found[1]["profile"]), (&wrong.as_str().into(), &serde_json::Value::Null));
    assert_eq!((&found[1]["errors"][0]["line"], &found[1]["errors"][0]["column"]), (&4.into(), &36.into()));
    let fine = muster(folder.path(), &["profile", "check", &warned, "-o", "json"], "");
    assert_eq!((fine.code, fine.err.as_str()), (0, ""), "a warning is no error, and is told once");
}

#[test]
fn a_list_without_rows_says_what_that_means_and_what_comes_next() {
    let place = Place::with_admin();
    for (words, next) in [
        (&["removal", "list"][..], "No removal waits"),
        (&["assignments"], "muster assign PROFILE --to TARGET"),
        (&["profile", "list"], "muster profile init base"),
        (&["rollout", "list"], "--rollout"),
        (&["group", "list"], "muster group add NAME"),
        (&["artifact", "list"], "muster artifact put FILE"),
        (&["pause", "list"], "muster pause TARGET"),
        (&["token", "list"], "muster token create"),
        (&["person", "list"], "muster person add USERNAME"),
        (&["waiver", "list"], "muster waiver list --all"),
        (&["waiver", "list", "--all"], "muster check list"),
        (&["check", "list"], "muster assign PROFILE"),
        (&["check", "list", "--control", "CIS-1"], "muster check list"),
        (&["device", "list"], "muster device import"),
    ] {
        let said = place.muster(words, "");
        assert!(said.code == 0 && said.err.contains(next), "{words:?}: {said:?}");
        let json = place.muster(&[words, &["-o", "json"]].concat(), "");
        let as_data = (json.code, json.out.as_str(), json.err.as_str());
        assert_eq!(as_data, (0, "[]\n", ""), "{words:?}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let said = muster(nowhere.path(), &["context", "list"], "");
    assert!(said.code == 0 && said.err.contains("muster login URL --name NAME"), "{said:?}");
}

#[test]
fn a_device_is_deleted_by_who_says_so_and_its_serial_is_free() {
    let place = Place::with_admin();
    let devices = place.write("devices.csv", "serial,name\nSN1,lap-ada\n");
    place.ok(&["device", "import", &devices]);
    let unasked = place.muster(&["device", "delete", "lap-ada"], "lap-ada\n");
    assert!(unasked.code == 1 && unasked.err.contains("add --yes"), "{unasked:?}");
    assert_eq!(place.ok(&["device", "delete", "lap-ada", "--yes"]), "lap-ada is deleted.\n");
    assert_eq!(place.ok(&["device", "list", "-o", "json"]), "[]\n");
    assert!(place.ok(&["audit", "--action", "device.delete"]).contains("name: lap-ada"));
    assert_eq!(place.ok(&["device", "import", &devices]), "1 new, 0 changed, 0 unchanged\n");
}

#[test]
fn nothing_that_asks_is_done_where_nobody_can_answer_and_the_refusal_names_the_way() {
    let place = Place::with_admin();
    let devices = place.write("devices.csv", "serial,name,owner,labels\nSN1,lap-ada,ada,laptop\n");
    place.ok(&["device", "import", &devices]);
    let text = |content: &str| {
        format!("muster: 1\nprofile: base\nresources:\n  - file: {{ path: /etc/motd, content: {content} }}\n")
    };
    let profile = place.write("base.yaml", &text("one"));
    place.ok(&["profile", "apply", &profile]);
    place.ok(&["assign", "base", "--to", "label:laptop", "--follow", "-y"]);
    let profile = place.write("base.yaml", &text("two"));
    let asking: [&[&str]; 11] = [
        &["profile", "apply", &profile],
        &["assign", "base", "--to", "everyone"],
        &["unassign", "base"],
        &["device", "label", "lap-ada", "--remove", "laptop"],
        &["device", "revoke", "lap-ada"],
        &["device", "lost", "lap-ada"],
        &["device", "delete", "lap-ada"],
        &["person", "remove", "ada"],
        &["admin", "remove", "ada"],
        &["admin", "reset", "ada"],
        &["pause"],
    ];
    for words in asking {
        let said = place.muster(words, "y\n");
        assert_eq!(said.code, 1, "{words:?}: {said:?}");
        assert!(said.err.contains("Nobody is at the terminal to confirm"), "{words:?}: {said:?}");
        assert!(said.err.contains("add --yes"), "{words:?}: {said:?}");
    }
    assert_eq!(place.ok(&["pause", "list", "-o", "json"]), "[]\n");
    let saved = place.ok(&["profile", "apply", &profile, "--yes", "--no-plan"]);
    assert!(saved.contains("follows the profile and has base@2 now"), "{saved}");
    let unasked = place.muster(&["rollback", "base"], "y\n");
    assert!(unasked.err.contains("label:laptop follows base, and goes on to"), "{unasked:?}");
    let both = place.muster(&["assign", "base", "--to", "everyone", "--follow", "--rollout"], "");
    assert!(
        both.code == 1 && both.err.contains("first muster assign base --to everyone --rollout"),
        "{both:?}"
    );
    let nobody = place.muster(&["pause", "label:nope"], "");
    assert!(nobody.code == 0 && nobody.err.contains("no device has the label nope now"), "{nobody:?}");
}

#[test]
fn many_machines_get_a_token_of_their_own_each_in_a_file_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_admin();
    let said = place.muster(&["token", "create", "--serial", "SN1"], "");
    assert!(
        said.err.contains("SN1 is not registered: the machine that shows the token is let in as it"),
        "{said:?}"
    );
    let devices = place.write("devices.csv", "serial\nSN1\n");
    place.ok(&["device", "import", &devices]);
    let said = place.muster(&["token", "create", "--serial", "SN1"], "");
    assert!(said.code == 0 && !said.err.contains("not registered"), "{said:?}");
    let list = place.write("serials.txt", "SN1\nSN2\n");
    let joins = place.path("joins");
    let words = ["token", "create", "--for-serials", &list, "--out", joins.to_str().unwrap()];
    assert!(place.ok(&words).starts_with("2 tokens in "));
    let text = fs::read_to_string(joins.join("SN1.toml")).unwrap();
    assert!(text.contains("token = \""), "{text}");
    assert_eq!(fs::metadata(joins.join("SN2.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    let tokens = place.ok(&["token", "list", "-o", "csv"]);
    assert!(tokens.contains(",SN1,") && tokens.contains(",SN2,"), "{tokens}");
    let again = place.muster(&words, "");
    assert!(again.code == 1 && again.err.contains("is there already"), "{again:?}");
}

#[test]
fn an_artifact_is_put_named_kept_and_deleted_as_an_admin_types_it() {
    let place = Place::with_admin();
    // Two pieces and a bit.
    let tool = place.write("tool-1.tar", &"0123456789abcdef".repeat(1_100_000));
    let said = place.ok(&["artifact", "put", &tool]);
    let digest = said.split_whitespace().last().unwrap().to_owned();
    assert!(said.starts_with("tool-1.tar is on the server (16.78 MiB)"), "{said}");
    let again = place.ok(&["artifact", "put", &tool, "--name", "other"]);
    assert!(again.starts_with("tool-1.tar was there already"), "{again}");
    let json = place.ok(&["artifact", "put", &tool, "-o", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()[0]["digest"], digest);

    let profile = place.write(
        "tool.yaml",
        &format!("muster: 1\nprofile: tool\nresources:\n  - archive: {{ path: /opt/tool, artifact: \"{digest}\" }}\n"),
    );
    place.ok(&["profile", "apply", &profile]);
    let list = place.ok(&["artifact", "list"]);
    assert!(list.contains("tool-1.tar") && list.contains("stored") && list.contains("tool@1"), "{list}");
    assert!(place.ok(&["artifact", "show", &digest[7..15]]).contains(&digest));
    let kept = place.muster(&["artifact", "delete", "tool-1.tar", "--yes"], "");
    assert!(kept.code == 1 && kept.err.contains("is named by tool@1"), "{kept:?}");

    let out = place.path("back.tar");
    place.ok(&["artifact", "get", "tool-1.tar", "--out", out.to_str().unwrap()]);
    assert!(fs::read(&out).unwrap() == fs::read(&tool).unwrap());
    let spare = place.write("spare.tar", "spare");
    let name = place.muster(&["artifact", "put", &tool, &spare, "--name", "x"], "");
    assert!(name.code == 1 && name.err.contains("--name is for one file"), "{name:?}");
    place.ok(&["artifact", "put", &spare]);
    assert_eq!(place.ok(&["artifact", "delete", "spare.tar", "-y"]), "spare.tar is deleted.\n");
    let unknown = place.muster(&["artifact", "show", "spare.tar"], "");
    assert!(unknown.code == 1 && unknown.err.contains("muster artifact list"), "{unknown:?}");
    let missing =
        place.write("missing.yaml", &fs::read_to_string(&profile).unwrap().replace("sha256:", "sha256:0"));
    assert_eq!(place.muster(&["profile", "apply", &missing], "").code, 1);
}

#[test]
fn a_format_that_is_not_there_is_refused_with_those_that_are() {
    let place = Place::with_admin();
    place.write("keys/corp.asc", KEY);
    let profile = place.write("base.yaml", PROFILE);
    place.ok(&["profile", "apply", &profile]);
    place.ok(&["group", "add", "engineers"]);
    let one = place.muster(&["group", "show", "engineers", "-o", "csv"], "");
    assert!(one.code == 1 && one.err.contains("[possible values: table, json]"), "{one:?}");
    let text = place.muster(&["profile", "show", "base@1", "-o", "csv"], "");
    assert!(text.code == 1 && text.err.contains("use -o table or -o json"), "{text:?}");
    assert!(place.ok(&["profile", "show", "base", "-o", "csv"]).starts_with("revision,saved,saved_by,"));
    let admins = place.ok(&["admin", "list", "-o", "csv"]);
    assert!(!admins.contains(" ago") && admins.contains('T'), "times for programs are times: {admins}");
}

#[test]
fn what_the_server_refuses_a_text_for_is_told_one_a_line_each_with_its_place() {
    let place = Place::with_admin();
    let profile = place.write(
        "base.yaml",
        "muster: 1\nprofile: base\nchecks:\n  - { id: a, title: A holds, query: SELEC 1 }\n  - { id: b, title: B holds, violations: DELETE FROM users }\n",
    );
    let said = place.muster(&["profile", "apply", &profile], "");
    assert_eq!(said.code, 1);
    let lines: Vec<_> = said.err.lines().collect();
    assert_eq!(lines[0], "muster: 2 things are wrong in the text.");
    assert!(lines[1].starts_with("  4:37: no device can answer this SQL: near \"SELEC\""), "{said:?}");
    assert!(lines[2].starts_with("  5:42: ") && lines[2].contains("other than SELECT"), "{said:?}");
}

#[test]
fn a_secret_and_a_command_that_amounts_to_root_are_told_without_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("base.yaml");
    let check = |resource: &str| {
        fs::write(&file, format!("muster: 1\nprofile: base\nresources:\n  - {resource}\n")).unwrap();
        muster(folder.path(), &["profile", "check", file.to_str().unwrap()], "")
    };
    let secret = check("file: { path: /etc/db.conf, content: \"password=Tr0ub4dor3\" }");
    assert_eq!(secret.code, 1);
    assert!(secret.err.contains("base.yaml:4:42: a likely secret stands in the profile"), "{secret:?}");
    let sudo = check("sudo: { name: edit, who: ada, commands: [/usr/bin/vim] }");
    assert_eq!(sudo.code, 0);
    assert!(sudo.err.contains("base.yaml:4:46: warning: /usr/bin/vim as ada amounts to root"), "{sudo:?}");
}

#[test]
fn a_profile_is_tried_on_a_device_only_when_it_is_well_written_and_the_device_is_there() {
    let place = Place::with_admin();
    let devices = place.write("devices.csv", "serial,name,owner,labels\nSN1,lap-ada,ada,laptop\n");
    place.ok(&["device", "import", &devices]);
    let wrong = place.write("wrong.yaml", "muster: 1\nprofile: base\nresources:\n  - file: { path: etc }\n");
    let said = place.muster(&["profile", "plan", &wrong, "--on", "lap-ada"], "");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("wrong.yaml:4:"), "{said:?}");
    let text = "muster: 1\nprofile: base\nresources:\n  - file: { path: /etc/motd, content: hello }\n";
    let right = place.write("right.yaml", text);
    let said = place.muster(&["profile", "plan", &right, "--on", "lap-ada"], "");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("lap-ada has no agent that could be asked: enroll it first"), "{said:?}");
    let said = place.muster(&["profile", "plan", &right, "--on", "nobody"], "");
    let unknown = "no device called \"nobody\": muster device list shows those there are";
    assert!(said.err.contains(unknown), "{said:?}");
    assert!(!place.ok(&["audit", "-o", "csv"]).contains("device.plan"), "nobody was asked");
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let folder = tempfile::tempdir().unwrap();
    let help = |words: &[&str]| muster(folder.path(), &[words, &["--help"]].concat(), "").out;
    insta::assert_snapshot!("help", help(&[]));
    for command in [
        "setup",
        "login",
        "assign",
        "unassign",
        "assignments",
        "rollout",
        "rollback",
        "pause",
        "resume",
        "compliance",
        "why",
        "audit",
        "admin",
        "api-token",
        "completions",
    ] {
        assert!(help(&[command]).contains("Example:\n"), "{command}");
    }
    let nested = [
        ("context", &["list", "use"][..]),
        (
            "device",
            &["list", "show", "import", "approve", "revoke", "delete", "allow-reenroll", "label", "password"],
        ),
        ("pause", &["list"]),
        ("removal", &["list", "confirm", "drop"]),
        ("rollout", &["list", "show", "resume", "cancel"]),
        ("token", &["create", "list", "revoke"]),
        ("profile", &["init", "check", "plan", "apply", "list", "show", "diff", "schema"]),
        ("artifact", &["put", "list", "show", "get", "delete"]),
        ("person", &["create", "list"]),
        ("admin", &["list", "add", "role", "remove", "reset", "logout", "password", "totp"]),
        ("api-token", &["create", "list", "revoke"]),
    ];
    for (noun, verbs) in nested {
        for verb in verbs {
            assert!(help(&[noun, verb]).contains("Example:\n"), "{noun} {verb}");
        }
    }
}
