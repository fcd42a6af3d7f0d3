//! `system_info`: what identifies the machine and its hardware.

use std::collections::BTreeSet;

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::root::Root;
use crate::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "system_info",
    description: "System information for identification.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        hostname: String = Text Plain, "Network hostname";
        uuid: String = Text Plain, "Unique ID of the hardware, or of the installation where the hardware has none";
        cpu_type: String = Text Plain, "CPU type";
        cpu_subtype: String = Text Plain, "CPU subtype";
        cpu_brand: String = Text Plain, "CPU brand string, contains vendor and model";
        cpu_physical_cores: Option<i64> = Integer Plain, "Number of physical CPU cores in the system";
        cpu_logical_cores: i64 = Integer Plain, "Number of logical CPU cores available to the system";
        cpu_sockets: Option<i64> = Integer Plain, "Number of processor sockets in the system";
        cpu_microcode: String = Text Plain, "Microcode version";
        physical_memory: i64 = BigInt Plain, "Total physical memory in bytes";
        hardware_vendor: String = Text Plain, "Hardware vendor";
        hardware_model: String = Text Plain, "Hardware model";
        hardware_version: String = Text Plain, "Hardware version";
        hardware_serial: String = Text Plain, "Device serial number";
        board_vendor: String = Text Plain, "Board vendor";
        board_model: String = Text Plain, "Board model";
        board_version: String = Text Plain, "Board version";
        board_serial: String = Text Plain, "Board serial number";
        computer_name: String = Text Plain, "Friendly computer name (optional)";
        local_hostname: String = Text Plain, "Local hostname (optional)";
        emulated_cpu_type: String = Text Plain, "Empty on Linux";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let root = request.root;
    let hostname = root.optional("/proc/sys/kernel/hostname")?;
    let cpu = parse_cpu(&String::from_utf8_lossy(&root.require("/proc/cpuinfo")?));
    let memory = parse_memory(&text(&root.require("/proc/meminfo")?))
        .ok_or_else(|| Unreadable("/proc/meminfo has no MemTotal".to_owned()))?;
    let dmi = |name: &str| root.optional(&format!("/sys/class/dmi/id/{name}"));
    let (mut model, mut version) = (dmi("product_name")?, dmi("product_version")?);
    let vendor = dmi("sys_vendor")?;
    // Lenovo writes the name that people know into the version.
    if vendor.eq_ignore_ascii_case("lenovo") {
        std::mem::swap(&mut model, &mut version);
    }
    Ok(rows(vec![Row {
        uuid: uuid(root)?,
        cpu_type: rustix::system::uname().machine().to_string_lossy().into_owned(),
        cpu_subtype: cpu.model,
        cpu_brand: cpu.brand,
        cpu_physical_cores: cpu.cores,
        cpu_logical_cores: cpu.threads,
        cpu_sockets: cpu.sockets,
        cpu_microcode: cpu.microcode,
        physical_memory: memory,
        hardware_vendor: vendor,
        hardware_model: model,
        hardware_version: version,
        hardware_serial: dmi("product_serial")?,
        board_vendor: dmi("board_vendor")?,
        board_model: dmi("board_name")?,
        board_version: dmi("board_version")?,
        board_serial: dmi("board_serial")?,
        computer_name: hostname.clone(),
        local_hostname: hostname.clone(),
        hostname,
        emulated_cpu_type: String::new(),
    }]))
}

/// The hardware's UUID; containers and boards without one have the installation's, written alike.
fn uuid(root: &Root) -> Result<String, Unreadable> {
    let hardware = root.optional("/sys/class/dmi/id/product_uuid")?;
    if !hardware.is_empty() {
        return Ok(hardware);
    }
    let id = root.optional("/etc/machine-id")?;
    if id.len() != 32 || !id.is_ascii() {
        return Ok(String::new());
    }
    Ok(format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]))
}

#[derive(Debug, Default, PartialEq)]
struct Cpu {
    brand: String,
    model: String,
    microcode: String,
    threads: i64,
    /// Not told on processors other than x86.
    cores: Option<i64>,
    sockets: Option<i64>,
}

fn parse_cpu(cpuinfo: &str) -> Cpu {
    let mut cpu = Cpu::default();
    let (mut cores, mut sockets, mut socket) = (BTreeSet::new(), BTreeSet::new(), "");
    for line in cpuinfo.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let first = |field: &mut String| {
            if field.is_empty() {
                *field = text(value.as_bytes());
            }
        };
        match name.trim() {
            "processor" => cpu.threads += 1,
            "model name" => first(&mut cpu.brand),
            "model" => first(&mut cpu.model),
            "microcode" => first(&mut cpu.microcode),
            "physical id" => {
                socket = value;
                sockets.insert(value);
            }
            "core id" => {
                cores.insert((socket, value));
            }
            _ => {}
        }
    }
    let count = |number: usize| i64::try_from(number).ok().filter(|number| *number > 0);
    cpu.cores = count(cores.len());
    cpu.sockets = count(sockets.len());
    cpu
}

fn parse_memory(meminfo: &str) -> Option<i64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_cores_and_sockets_are_counted() {
        let mut cpuinfo = String::new();
        for (thread, socket, core) in [(0, 0, 0), (1, 0, 0), (2, 1, 0), (3, 1, 0)] {
            cpuinfo += &format!(
                "processor\t: {thread}\nmodel\t\t: 85\nmodel name\t: Xeon\nmicrocode\t: 0x1\n\
                 physical id\t: {socket}\ncore id\t\t: {core}\n\n"
            );
        }
        let cpu = parse_cpu(&cpuinfo);
        assert_eq!((cpu.threads, cpu.cores, cpu.sockets), (4, Some(2), Some(2)));
        assert_eq!((cpu.brand.as_str(), cpu.model.as_str()), ("Xeon", "85"));
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(parse_memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16_777_216));
        assert_eq!(parse_memory("MemTotal: 99999999999999999 kB"), None);
    }
}
