//! `users`: the accounts of `/etc/passwd`, read as the C library reads them.

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::table::Table;

pub(crate) const PASSWD: &str = "/etc/passwd";

pub(crate) const TABLE: Table =
    Table { name: "users", description: "Local user accounts.", columns: Row::COLUMNS, rows: make };

columns! {
    struct Row {
        uid: i64 = BigInt Index, "User ID";
        gid: i64 = BigInt Plain, "Group ID (unsigned)";
        uid_signed: i64 = BigInt Plain, "User ID as a signed 32-bit number";
        gid_signed: i64 = BigInt Plain, "Default group ID as a signed 32-bit number";
        username: String = Text Index, "User name";
        description: String = Text Plain, "Optional user description";
        directory: String = Text Plain, "User's home directory";
        shell: String = Text Plain, "User's configured default shell";
        uuid: String = Text Plain, "Empty on Linux";
        pid_with_namespace: i64 = Integer Refused, "Always 0: other namespaces are not read";
        include_remote: i64 = Integer Refused, "Always 0: accounts of directory services are not read";
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    description: String,
    home: String,
    shell: String,
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let accounts = read(request)?;
    let uids = request.integers("uid");
    let names = request.texts("username");
    let wanted = accounts
        .into_iter()
        .filter(|account| uids.as_ref().is_none_or(|uids| uids.contains(&account.uid.into())))
        .filter(|account| names.as_ref().is_none_or(|names| names.contains(&account.name)))
        .map(Row::from);
    Ok(rows(wanted.collect::<Vec<Row>>()))
}

/// Reads every account.
pub(crate) fn read(request: &Request<'_>) -> Result<Vec<Account>, Unreadable> {
    parse(&request.root.require(PASSWD)?)
}

impl From<Account> for Row {
    fn from(account: Account) -> Self {
        Self {
            uid: account.uid.into(),
            gid: account.gid.into(),
            uid_signed: signed(account.uid),
            gid_signed: signed(account.gid),
            username: account.name,
            description: account.description,
            directory: account.home,
            shell: account.shell,
            uuid: String::new(),
            pid_with_namespace: 0,
            include_remote: 0,
        }
    }
}

/// The same 32 bits read as a signed number: 4294967294 (nobody on some systems) becomes -2.
pub(crate) fn signed(id: u32) -> i64 {
    id.cast_signed().into()
}

/// Reads the accounts. A line that can't be understood fails the table: an account that the C library might
/// accept after all must not be missing from a check.
fn parse(passwd: &[u8]) -> Result<Vec<Account>, Unreadable> {
    let mut accounts = Vec::new();
    for (number, line) in lines(passwd) {
        let fields: Vec<&[u8]> = line.splitn(7, |&byte| byte == b':').collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        let (Some(uid), Some(gid)) = (id(field(2)), id(field(3))) else {
            return Err(not_understood(PASSWD, number));
        };
        accounts.push(Account {
            name: text(field(0)),
            uid,
            gid,
            description: text(field(4)),
            home: text(field(5)),
            shell: text(field(6)),
        });
    }
    Ok(accounts)
}

/// The lines of an account file that hold an entry, with their numbers. As for the C library, blank lines and
/// comments are none, and lines that begin with + or - are references to a directory service.
pub(crate) fn lines(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    file.split(|&byte| byte == b'\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_ascii_start()))
        .filter(|(_, line)| !matches!(line.first(), None | Some(b'#' | b'+' | b'-')))
}

/// Reads a user or group number.
pub(crate) fn id(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

pub(crate) fn not_understood(path: &str, line: usize) -> Unreadable {
    Unreadable(format!("line {line} of {path} is not understood; correct or remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_as_the_c_library_reads_them() {
        let accounts = parse(
            b"root:x:0:0:root:/root:/bin/bash\n\n# comment\n+::::::\n  short:x:7:8\n\
              nobody:x:65534:65534:\xffN:/nonexistent:/bin/sh:extra\n",
        )
        .unwrap();
        let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["root", "short", "nobody"]);
        assert_eq!(accounts[0].home, "/root");
        assert_eq!((accounts[1].uid, accounts[1].shell.as_str()), (7, ""));
        assert_eq!(accounts[2].description, "\u{fffd}N");
        assert_eq!(accounts[2].shell, "/bin/sh:extra");
    }

    #[test]
    fn a_line_that_is_not_understood_fails_the_table_and_is_named() {
        let error = parse(b"root:x:0:0:root:/root:/bin/bash\nmallory:x:zero:0::/:/bin/sh\n").unwrap_err();
        assert!(error.0.starts_with("line 2 of /etc/passwd"), "{error}");
    }

    #[test]
    fn the_signed_number_has_the_same_bits() {
        assert_eq!(signed(4_294_967_294), -2);
        assert_eq!(signed(1000), 1000);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn every_well_formed_account_comes_back(name in "[a-z_][a-z0-9_-]{0,31}", uid: u32, gid: u32) {
            let line = format!("{name}:x:{uid}:{gid}:d:/h:/s\n");
            let account = parse(line.as_bytes()).unwrap().remove(0);
            proptest::prop_assert_eq!((account.name, account.uid, account.gid), (name, uid, gid));
        }
    }
}
