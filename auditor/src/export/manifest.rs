//! The list of an export's files, which `sha256sum -c` reads, and its signature.

use std::collections::BTreeMap;

use veilsum_protocol::ids::Digest;

pub(super) const MANIFEST: &str = "MANIFEST.sha256";
pub(super) const SIGNATURE: &str = "MANIFEST.note";
/// The key of who signed, for who has not got it otherwise. It proves nothing.
pub(super) const SIGNER: &str = "AUDITOR.key";

const FIRST_LINE: &str = "veilsum-export v1";

/// `<hash>  <path>`, a line each, by path.
pub(super) fn list(files: &BTreeMap<String, Digest>) -> String {
    let lines = files
        .iter()
        .map(|(path, hash)| format!("{}  {path}\n", hash.to_hex()));
    lines.collect()
}

/// Reads the list. Paths stay below the folder.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Digest>, String> {
    let mut files = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let read = line.split_once("  ").and_then(|(hash, path)| {
            let below = path
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..");
            Some((path.to_owned(), Digest::from_hex(hash)?)).filter(|_| below)
        });
        let (path, hash) = read.ok_or_else(|| {
            format!("line {number}: expected a SHA-256, two spaces and a path below the folder")
        })?;
        files.insert(path, hash);
    }
    if list(&files) == text {
        Ok(files)
    } else {
        Err("expected the paths in order, each once".to_owned())
    }
}

/// What is signed.
pub(super) fn statement(origin: &str, size: u64, manifest: &str) -> String {
    format!(
        "{FIRST_LINE}\n{origin}\n{size}\n{}\n",
        Digest::of(manifest.as_bytes()).to_hex()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_list_reads_as_it_was_written_and_leads_nowhere_else() {
        let files = BTreeMap::from([
            ("a/b".to_owned(), Digest([1; 32])),
            ("c".to_owned(), Digest([2; 32])),
        ]);
        let text = list(&files);
        assert_eq!(parse(&text).unwrap(), files);
        let hash = Digest([1; 32]).to_hex();
        for bad in [
            format!("{hash}  ../x\n"),
            format!("{hash}  /x\n"),
            format!("{hash}  a//x\n"),
            format!("{hash} a\n"),
            format!("{}  a\n", &hash[1..]),
            format!("{hash}  b\n{hash}  a\n"),
            format!("{hash}  a\n{hash}  a\n"),
            format!("{hash}  a"),
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }
}
