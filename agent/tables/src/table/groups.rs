//! `groups`: the groups of `/etc/group`.

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::table::Table;
use crate::table::users::{id, lines, not_understood, signed};

const GROUP: &str = "/etc/group";

pub(crate) const TABLE: Table =
    Table { name: "groups", description: "Local system groups.", columns: Row::COLUMNS, rows: make };

columns! {
    struct Row {
        gid: i64 = BigInt Index, "Group ID (unsigned)";
        gid_signed: i64 = BigInt Plain, "Group ID as a signed 32-bit number";
        groupname: String = Text Index, "Group name";
        pid_with_namespace: i64 = Integer Refused, "Always 0: other namespaces are not read";
    }
}

/// One group with the members that `/etc/group` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gid: u32,
    pub(crate) members: Vec<String>,
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let gids = request.integers("gid");
    let names = request.texts("groupname");
    let wanted = read(request)?
        .into_iter()
        .filter(|group| gids.as_ref().is_none_or(|gids| gids.contains(&group.gid.into())))
        .filter(|group| names.as_ref().is_none_or(|names| names.contains(&group.name)))
        .map(|group| Row {
            gid: group.gid.into(),
            gid_signed: signed(group.gid),
            groupname: group.name,
            pid_with_namespace: 0,
        });
    Ok(rows(wanted.collect::<Vec<Row>>()))
}

/// Reads every group.
pub(crate) fn read(request: &Request<'_>) -> Result<Vec<Group>, Unreadable> {
    parse(&request.root.require(GROUP)?)
}

fn parse(group: &[u8]) -> Result<Vec<Group>, Unreadable> {
    let mut groups = Vec::new();
    for (number, line) in lines(group) {
        let fields: Vec<&[u8]> = line.splitn(4, |&byte| byte == b':').collect();
        let Some(gid) = fields.get(2).and_then(|field| id(field)) else {
            return Err(not_understood(GROUP, number));
        };
        let members = fields.get(3).copied().unwrap_or_default();
        let members = members
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty())
            .map(text)
            .collect();
        groups.push(Group { name: text(fields[0]), gid, members });
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_with_their_members() {
        let groups = parse(b"root:x:0:\nsudo:x:27:ada, grace,\nusers:x:100\n").unwrap();
        assert_eq!(
            groups[1],
            Group { name: "sudo".to_owned(), gid: 27, members: vec!["ada".to_owned(), "grace".to_owned()] }
        );
        assert_eq!(groups[2].gid, 100);
        assert!(groups[2].members.is_empty());
    }

    #[test]
    fn a_group_without_a_number_fails_the_table() {
        assert!(parse(b"sudo:x\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
