//! The page at `/install`: each way of installing as something to copy.

use super::snippet::{self, Origin};
use crate::docs::sheet;

/// The whole page. It holds no secret: where a token belongs it says which command prints one.
pub(super) fn page(origin: &Origin, architectures: &[&str], join_file: &str) -> String {
    let mut body = "<h1>Install the agent</h1>\n".to_owned();
    if architectures.is_empty() {
        body.push_str(
            "<p><strong>This server has no packages to offer.</strong> Install the <code>muster-server</code> package, which \
             brings them, or name their folder as <code>packages</code> in server.toml.</p>\n",
        );
    } else {
        body.push_str(&format!("<p>Debian and Ubuntu, {}.</p>\n", sheet::escape(&architectures.join(", "))));
    }
    body.push_str(INTRODUCTION);
    for (title, text, snippet) in ways(origin, join_file) {
        body.push_str(&format!(
            "<h2>{title}</h2>\n{text}\n<pre><code>{}</code></pre>\n",
            sheet::escape(&snippet)
        ));
    }
    sheet::whole("Install the agent", "install", &body)
}

const INTRODUCTION: &str = "<p>Each snippet holds this server's root certificate and the key that signs its packages, so that \
    a machine believes nothing that was not on this page. It is only as good as the way it came to you: compare the \
    address above with the one that <code>muster login</code> pinned. A join file with a token in it comes from \
    <code>muster token create</code> only; give a token few uses and a near end.</p>\n";

fn ways(origin: &Origin, join_file: &str) -> [(&'static str, &'static str, String); 5] {
    [
        (
            "A machine that runs",
            "<p>Then enroll it with a join file, which <code>muster token create &gt; join.toml</code> prints: \
             <code>sudo muster-agent enroll --join-file join.toml</code>. <code>muster token create --print shell &gt; \
             agent.sh</code> prints both in one.</p>",
            snippet::shell(origin, None),
        ),
        (
            "An image",
            "<p>Each clone enrolls as a device of its own. <code>muster token create --uses 50 &gt; join.toml</code> makes the \
             join file; <code>muster-agent seal</code> takes out whatever would make two clones the same.</p>",
            snippet::image(origin),
        ),
        (
            "cloud-init",
            "<p><code>muster token create --print cloud-init &gt; user-data</code> prints this with a token. Whoever can ask the \
             cloud's metadata service from the machine can read it: one use, one hour.</p>",
            snippet::cloud_init(origin, join_file),
        ),
        (
            "Debian's installer",
            "<p><code>muster token create --print preseed &gt;&gt; preseed.cfg</code> prints this with a token.</p>",
            snippet::preseed(origin, join_file),
        ),
        (
            "Ubuntu's installer",
            "<p><code>muster token create --print autoinstall &gt; user-data</code> prints this with a token.</p>",
            snippet::autoinstall(origin, join_file),
        ),
    ]
}
