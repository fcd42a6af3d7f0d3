//! Lets the server be built before the dashboard: an empty page stands in for it. Renders the documentation.

#[path = "build/docs.rs"]
mod docs;

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    // A build script runs in the folder of its package. The place it was compiled at is not asked: the checkout may have moved.
    let dist = Path::new("../dashboard/dist");
    let page = dist.join("index.html");
    if !page.exists() {
        fs::create_dir_all(dist)?;
        fs::write(
            &page,
            "<!doctype html>\n<title>Muster</title>\n<p>This server was built without its dashboard.\n",
        )?;
    }
    println!("cargo::rerun-if-changed={}", dist.display());
    docs::render()
}
