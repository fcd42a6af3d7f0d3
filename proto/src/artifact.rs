//! Artifacts: large files that the server keeps for its devices, named by the SHA-256 of their bytes.
//!
//! A device asks for one beside its calls, on the same mTLS connection: `GET /v1/artifacts/{hex}`, with the 64 lower-case hex
//! digits of the digest. The answer is
//!
//! - 200 with all of its bytes, or 206 with those from where `Range: bytes=N-` asked, then with a `Content-Range`; both with
//!   `Content-Length` and `application/octet-stream`;
//! - 404 where there is no such artifact, or the device's own state does not name it: the two are not told apart;
//! - 416 where `N` is not before its end;
//! - 503 with `Retry-After`, in seconds, where the server has other devices to serve first.

use crate::Digest;

/// The largest artifact that a device fetches, in bytes.
pub const LARGEST: u64 = 4 * 1024 * 1024 * 1024;

/// Where artifacts are, on the devices' listener.
const AT: &str = "/v1/artifacts/";

/// The path under which a device asks for an artifact.
pub fn path(artifact: &Digest) -> String {
    format!("{AT}{}", hex(artifact))
}

/// The artifact that a device asks for under this path.
pub fn asked_for(path: &str) -> Option<Digest> {
    format!("sha256:{}", path.strip_prefix(AT)?).parse().ok()
}

/// The 64 hex digits of a digest, as file names and paths have them.
pub fn hex(artifact: &Digest) -> String {
    let digest = artifact.to_string();
    digest.strip_prefix("sha256:").unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_artifact_and_nothing_else_does() {
        let digest = Digest::of(b"x");
        let path = path(&digest);
        assert_eq!(path.len(), AT.len() + 64);
        assert_eq!(asked_for(&path), Some(digest));
        for other in [
            "/v1/artifacts/",
            "/v1/artifacts/../../x",
            &path.to_uppercase(),
            &format!("{path}/"),
            &format!("{path}?x=1"),
            &path[1..],
        ] {
            assert_eq!(asked_for(other), None, "{other}");
        }
    }
}
