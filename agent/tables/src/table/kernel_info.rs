//! `kernel_info`: the running kernel and its command line.

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "kernel_info",
    description: "Basic active kernel information.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        version: String = Text Plain, "Kernel version";
        arguments: String = Text Plain, "Kernel arguments";
        path: String = Text Plain, "Kernel path";
        device: String = Text Plain, "Kernel device identifier";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let version = text(&request.root.require("/proc/version")?);
    let arguments = text(&request.root.require("/proc/cmdline")?);
    Ok(rows(vec![parse(&version, &arguments)]))
}

fn parse(version: &str, command_line: &str) -> Row {
    let mut words = version.split_whitespace().skip_while(|word| *word != "version").skip(1);
    let (mut path, mut device, mut arguments) = (String::new(), String::new(), Vec::new());
    for argument in command_line.split_whitespace() {
        if let Some(image) = argument.strip_prefix("BOOT_IMAGE=") {
            path = image.to_owned();
        } else if let Some(root) = argument.strip_prefix("root=") {
            device = root.to_owned();
        } else {
            arguments.push(argument);
        }
    }
    Row { version: words.next().unwrap_or_default().to_owned(), arguments: arguments.join(" "), path, device }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_and_root_have_columns_of_their_own() {
        let row = parse(
            "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12)\n",
            "BOOT_IMAGE=/vmlinuz root=UUID=12 ro quiet\n",
        );
        assert_eq!(
            row,
            Row {
                version: "6.1.0-18-amd64".to_owned(),
                arguments: "ro quiet".to_owned(),
                path: "/vmlinuz".to_owned(),
                device: "UUID=12".to_owned(),
            }
        );
    }
}
