//! `user_groups`: which account is in which group, by its own group and by `/etc/group`.

use std::collections::BTreeMap;

use crate::column::{Request, Rows, Unreadable, columns, rows};
use crate::table::Table;
use crate::table::{groups, users};

pub(crate) const TABLE: Table = Table {
    name: "user_groups",
    description: "Local system user group relationships.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    #[derive(Eq, PartialOrd, Ord)]
    struct Row {
        uid: i64 = BigInt Index, "User ID";
        gid: i64 = BigInt Index, "Group ID";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let uids = request.integers("uid");
    let gids = request.integers("gid");
    let mut pairs = pairs(&users::read(request)?, groups::read(request)?);
    pairs.retain(|row| {
        uids.as_ref().is_none_or(|uids| uids.contains(&row.uid))
            && gids.as_ref().is_none_or(|gids| gids.contains(&row.gid))
    });
    Ok(rows(pairs))
}

/// Members that have no account are left out, as they have no user number.
fn pairs(accounts: &[users::Account], groups: Vec<groups::Group>) -> Vec<Row> {
    let mut pairs: Vec<Row> =
        accounts.iter().map(|account| Row { uid: account.uid.into(), gid: account.gid.into() }).collect();
    let by_name: BTreeMap<&str, u32> =
        accounts.iter().map(|account| (account.name.as_str(), account.uid)).collect();
    for group in groups {
        let members = group.members.iter().filter_map(|member| by_name.get(member.as_str()));
        pairs.extend(members.map(|&uid| Row { uid: uid.into(), gid: group.gid.into() }));
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}
