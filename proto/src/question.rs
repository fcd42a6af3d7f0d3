//! What the SQL of a check can ask: the tables of a device by name, the functions, and how long it may be. The agent's
//! own tables are held to this list by a test; the server prepares checks against it before it saves them.

/// A table of a device. Its columns hold facts of a machine; what they mean is said by the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, as in osquery.
    pub name: &'static str,
    /// Its columns in the order of `SELECT *`, separated by spaces.
    pub columns: &'static str,
    /// Columns that `SELECT *` leaves out, separated by spaces.
    pub hidden: &'static str,
}

/// The longest statement in bytes. A longer one is a program, not a check.
pub const SQL_BYTES: usize = 32 * 1024;

/// Every table, by name.
pub const TABLES: [Table; 17] = [
    Table {
        name: "deb_packages",
        columns: "name version source size arch revision status maintainer section priority admindir",
        hidden: "pid_with_namespace mount_namespace_id",
    },
    Table { name: "disk_encryption", columns: "name uuid encrypted type encryption_status", hidden: "" },
    Table {
        name: "file",
        columns: "path directory filename inode uid gid mode device size block_size atime mtime ctime \
                  btime hard_links symlink type symlink_target_path",
        hidden: "pid_with_namespace mount_namespace_id",
    },
    Table { name: "groups", columns: "gid gid_signed groupname", hidden: "pid_with_namespace" },
    Table {
        name: "interface_addresses",
        columns: "interface address mask broadcast point_to_point type",
        hidden: "",
    },
    Table { name: "kernel_info", columns: "version arguments path device", hidden: "" },
    Table {
        name: "listening_ports",
        columns: "pid port protocol family address fd socket path net_namespace",
        hidden: "",
    },
    Table {
        name: "mounts",
        columns: "device device_alias path type blocks_size blocks blocks_free blocks_available inodes \
                  inodes_free flags",
        hidden: "",
    },
    Table {
        name: "os_version",
        columns: "name version major minor patch build platform platform_like codename arch extra",
        hidden: "pid_with_namespace mount_namespace_id",
    },
    Table {
        name: "processes",
        columns: "pid name path cmdline state cwd root uid gid euid egid suid sgid on_disk wired_size \
                  resident_size total_size user_time system_time disk_bytes_read disk_bytes_written \
                  start_time parent pgroup threads nice cgroup_path",
        hidden: "phys_footprint",
    },
    Table {
        name: "rpm_packages",
        columns: "name version release source size sha1 arch epoch install_time vendor package_group",
        hidden: "pid_with_namespace mount_namespace_id",
    },
    Table {
        name: "shadow",
        columns: "password_status hash_alg last_change min max warning inactive expire flag username",
        hidden: "",
    },
    Table {
        name: "system_info",
        columns: "hostname uuid cpu_type cpu_subtype cpu_brand cpu_physical_cores cpu_logical_cores \
                  cpu_sockets cpu_microcode physical_memory hardware_vendor hardware_model \
                  hardware_version hardware_serial board_vendor board_model board_version board_serial \
                  computer_name local_hostname emulated_cpu_type",
        hidden: "",
    },
    Table {
        name: "systemd_units",
        columns: "id description load_state active_state sub_state unit_file_state following object_path \
                  job_id job_type job_path fragment_path user source_path",
        hidden: "",
    },
    Table { name: "uptime", columns: "days hours minutes seconds total_seconds", hidden: "" },
    Table { name: "user_groups", columns: "uid gid", hidden: "" },
    Table {
        name: "users",
        columns: "uid gid uid_signed gid_signed username description directory shell uuid",
        hidden: "pid_with_namespace include_remote",
    },
];

/// Functions whose result depends only on their arguments and whose work is bounded by the length limit, sorted.
/// Left out: what loads code or reads files, what is random, and what makes large values out of a number.
const FUNCTIONS: [&str; 81] = [
    "->",
    "->>",
    "abs",
    "avg",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "dense_rank",
    "first_value",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "printf",
    "quote",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqlite_version",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "time",
    "timediff",
    "total",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unixepoch",
    "upper",
];

/// How the tables are named that SQLite makes when they are first asked for, so that no list has them.
const LAZY: [&str; 3] = ["json", "pragma_", "sqlite_"];

/// Finds a table by name, as SQL does without regard to case.
fn find(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name.eq_ignore_ascii_case(name))
}

/// Whether a statement may call this function.
pub fn may_call(function: &str) -> bool {
    let name = function.to_ascii_lowercase();
    FUNCTIONS.binary_search(&name.as_str()).is_ok()
}

/// Whether a statement may read this column; `is_builtin` says, of a name in lower case, whether SQLite itself brings a
/// virtual table of that name, such as dbstat.
pub fn may_read(table: &str, column: &str, is_builtin: impl FnOnce(&str) -> bool) -> bool {
    if find(table).is_some() {
        return true;
    }
    // `SELECT count(*) FROM x` reads no column of x. SQLite then asks also where x is a WITH clause of the
    // statement itself, and a name that is none of its own tables can be nothing else.
    let name = table.to_ascii_lowercase();
    let is_lazy = LAZY.iter().any(|prefix| name.starts_with(prefix));
    column.is_empty() && !is_lazy && !is_builtin(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_functions_is_sorted_so_that_it_can_be_searched() {
        assert!(FUNCTIONS.is_sorted());
    }

    #[test]
    fn functions_that_make_or_load_things_are_not_allowed() {
        for function in ["load_extension", "randomblob", "RANDOM", "zeroblob", "readfile", "fts3_tokenizer"] {
            assert!(!may_call(function), "{function}");
        }
        assert!(may_call("COUNT"));
    }

    #[test]
    fn what_is_no_table_of_a_device_is_read_only_where_it_can_be_nothing_but_a_with_clause() {
        assert!(may_read("USERS", "uid", |_| false) && may_read("mine", "", |_| false));
        for (table, column) in [("mine", "x"), ("sqlite_master", ""), ("json_each", ""), ("dbstat", "")] {
            assert!(!may_read(table, column, |name| name == "dbstat"), "{table}.{column}");
        }
    }
}
