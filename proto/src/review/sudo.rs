//! Sudo commands that give away more than they seem to.

/// Programs that start a shell or write any file whatever their arguments are: editors, pagers, interpreters.
const ALWAYS: [(&str, &str); 35] = [
    ("bash", "it is a shell"),
    ("dash", "it is a shell"),
    ("sh", "it is a shell"),
    ("zsh", "it is a shell"),
    ("fish", "it is a shell"),
    ("su", "it becomes any account"),
    ("sudo", "it becomes any account"),
    ("vi", "an editor starts a shell with :!sh"),
    ("vim", "an editor starts a shell with :!sh"),
    ("view", "an editor starts a shell with :!sh"),
    ("nvim", "an editor starts a shell with :!sh"),
    ("nano", "an editor runs commands and saves to any path"),
    ("emacs", "an editor starts a shell"),
    ("ed", "an editor starts a shell with !sh"),
    ("less", "a pager starts a shell with !sh"),
    ("more", "a pager starts a shell with !sh"),
    ("man", "its pager starts a shell with !sh"),
    ("journalctl", "its pager starts a shell with !sh; add --no-pager"),
    ("mysql", "it starts a shell with \\!"),
    ("psql", "it starts a shell with \\!"),
    ("sqlite3", "it starts a shell with .shell"),
    ("gdb", "it starts a shell with !sh"),
    ("top", "it sends signals to any process"),
    ("htop", "it sends signals to any process"),
    ("visudo", "it grants any right"),
    ("crontab", "it runs commands as root later"),
    ("tmux", "it starts a shell"),
    ("screen", "it starts a shell"),
    ("busybox", "it is a shell"),
    ("vipw", "an editor starts a shell with :!sh"),
    ("vigr", "an editor starts a shell with :!sh"),
    ("podman", "a container with the host's files in it is root"),
    ("lxc", "a container with the host's files in it is root"),
    ("machinectl", "it starts a shell"),
    ("docker", "a container with the host's files in it is root"),
];

/// Programs that run a command, or write any file, when the caller chooses the arguments.
const WITH_FREE_ARGUMENTS: [(&str, &str); 56] = [
    ("apt", "-o options run any command"),
    ("apt-get", "-o options run any command"),
    ("aptitude", "-o options run any command"),
    ("dpkg", "packages run scripts as root"),
    ("dnf", "packages run scripts as root"),
    ("yum", "packages run scripts as root"),
    ("snap", "packages run scripts as root"),
    ("pip", "packages run scripts as root"),
    ("pip3", "packages run scripts as root"),
    ("npm", "packages run scripts as root"),
    ("python", "it runs any program"),
    ("python3", "it runs any program"),
    ("perl", "it runs any program"),
    ("ruby", "it runs any program"),
    ("node", "it runs any program"),
    ("lua", "it runs any program"),
    ("php", "it runs any program"),
    ("awk", "it runs any command with system()"),
    ("sed", "its e command runs anything, and -i writes any file"),
    ("find", "-exec runs any command"),
    ("xargs", "it runs any command"),
    ("env", "it runs any command"),
    ("nice", "it runs any command"),
    ("nohup", "it runs any command"),
    ("timeout", "it runs any command"),
    ("strace", "it runs any command"),
    ("systemd-run", "it runs any command"),
    ("nsenter", "it runs any command"),
    ("chroot", "it runs any command"),
    ("tar", "--checkpoint-action runs any command"),
    ("zip", "--unzip-command runs any command"),
    ("rsync", "-e runs any command"),
    ("scp", "-S runs any command"),
    ("ssh", "ProxyCommand runs any command"),
    ("git", "its pager and hooks run any command"),
    ("cp", "it writes any file"),
    ("mv", "it writes any file"),
    ("tee", "it writes any file"),
    ("dd", "it writes any file or disk"),
    ("chmod", "it opens any file"),
    ("chown", "it takes any file"),
    ("install", "it writes any file"),
    ("ln", "it puts a link in the place of any file"),
    ("curl", "-o writes any file"),
    ("wget", "-O writes any file"),
    ("mount", "it puts a folder in the place of any other"),
    ("watch", "it runs any command"),
    ("flock", "it runs any command"),
    ("setpriv", "it runs any command"),
    ("unshare", "it runs any command"),
    ("tcpdump", "-z runs any command"),
    ("nmap", "its scripts run any command"),
    ("openssl", "its engines run any code, and it writes any file"),
    ("usermod", "it puts any account into any group"),
    ("gpasswd", "it puts any account into any group"),
    ("passwd", "it sets the password of root"),
];

/// Why whoever may run this command may do anything, if so. The rule's own type has checked its form.
pub(super) fn amounts_to_root(command: &str) -> Option<String> {
    if command == "ALL" {
        return Some("it is everything".to_owned());
    }
    let mut words = command.split(' ');
    let path = words.next().unwrap_or_default();
    if is_open(path) {
        return Some("others than root can put another program in its place".to_owned());
    }
    let program = path.rsplit('/').next().unwrap_or_default();
    let arguments: Vec<_> = words.collect();
    if let Some((_, why)) = ALWAYS.iter().find(|(name, _)| is(program, name)) {
        let quiet = program == "journalctl" && arguments.contains(&"--no-pager");
        return (!quiet).then(|| (*why).to_owned());
    }
    if program == "systemctl" {
        return systemctl(&arguments);
    }
    let (_, why) = WITH_FREE_ARGUMENTS.iter().find(|(name, _)| is(program, name))?;
    arguments.is_empty().then(|| format!("its arguments are free, and {why}; name the arguments"))
}

/// Whether others than root can usually put something else at this path.
pub(super) fn is_open(path: &str) -> bool {
    ["/home/", "/tmp/", "/var/tmp/", "/dev/shm/"].iter().any(|open| path.starts_with(open))
}

fn systemctl(arguments: &[&str]) -> Option<String> {
    let shows = arguments.iter().any(|a| matches!(*a, "status" | "show" | "cat" | "list-units"));
    if arguments.contains(&"link") {
        return Some("a unit from any folder runs any command".to_owned());
    }
    if arguments.is_empty() {
        Some("its arguments are free, and `edit` and `link` run any command; name the arguments".to_owned())
    } else if arguments.contains(&"edit") {
        Some("an editor starts a shell".to_owned())
    } else if shows && !arguments.contains(&"--no-pager") {
        Some("its pager starts a shell with !sh; add --no-pager".to_owned())
    } else {
        None
    }
}

/// Whether the program is this one, a version of it counted in, such as `python3.11`.
fn is(program: &str, name: &str) -> bool {
    program
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || (rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')))
}

#[cfg(test)]
mod tests {
    use super::amounts_to_root;

    #[test]
    fn commands_that_give_root_away_are_named() {
        for command in [
            "ALL",
            "/usr/bin/vim",
            "/usr/bin/vim /etc/motd",
            "/usr/bin/apt-get",
            "/usr/bin/python3.11",
            "/usr/bin/less /var/log/syslog",
            "/usr/bin/systemctl",
            "/usr/bin/systemctl status cron.service",
            "/bin/bash",
            "/usr/bin/find",
        ] {
            assert!(amounts_to_root(command).is_some(), "{command}");
        }
    }

    #[test]
    fn commands_with_fixed_harmless_arguments_are_not() {
        for command in [
            "/usr/bin/systemctl restart cron.service",
            "/usr/bin/systemctl status --no-pager cron.service",
            "/usr/bin/apt-get update",
            "/usr/sbin/reboot",
            "/usr/bin/showkey",
        ] {
            assert_eq!(amounts_to_root(command), None, "{command}");
        }
    }
}
