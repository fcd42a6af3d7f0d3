//! Lets the server be built before the dashboard: an empty page stands in for it. Renders the documentation.

#[path = "build/docs.rs"]
mod docs;

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/dist");
    let page = dist.join("index.html");
    if !page.exists() {
        fs::create_dir_all(&dist)?;
        fs::write(
            &page,
            "<!doctype html>\n<title>Muster</title>\n<p>This server was built without its dashboard.\n",
        )?;
    }
    println!("cargo::rerun-if-changed={}", dist.display());
    docs::render()
}
