#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

struct Scene {
    scratch: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            scratch: tempfile::tempdir().unwrap(),
        };
        let folder = scene.path("from");
        fs::create_dir_all(folder.join("deep/er")).unwrap();
        fs::write(folder.join("key"), b"secret").unwrap();
        fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(folder.join("deep/er/a"), vec![7; 100_000]).unwrap();
        fs::write(folder.join("deep/er/.scrap"), b"scrap").unwrap();
        fs::write(folder.join("deep/empty"), b"").unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn head() -> Head {
        Head::new(Kind::Bank, "bank-a", "veilsum-client 0.1.0", 1_800_000_000, true)
    }

    fn write(&self, name: &str) -> Result<Written, BackupError> {
        let mut writer = Writer::create(&self.path(name), &Self::head())?;
        let from = self.path("from");
        assert!(writer.add_file("identity/key", &from.join("key"))?);
        assert!(!writer.add_file("identity/other", &from.join("other"))?);
        writer.add("note", 0o644, b"hello")?;
        let keep = |path: &Path| !path.ends_with(".scrap");
        writer.add_folder("deep", &from.join("deep"), &keep)?;
        writer.add_folder("nothing", &from.join("nothing"), &keep)?;
        writer.finish()
    }

    fn left(&self) -> Vec<String> {
        let files = fs::read_dir(self.scratch.path()).unwrap();
        let mut names: Vec<_> = files
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn what_went_in_comes_out_with_its_modes() {
    let scene = Scene::new();
    let written = scene.write("a.tar").unwrap();
    assert_eq!((written.files, written.bytes), (4, 6 + 5 + 100_000));
    let bytes = fs::read(&written.path).unwrap();
    assert_eq!(
        written.sha256,
        hex::encode(ring::digest::digest(&ring::digest::SHA256, &bytes))
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&written.path), 0o600);
    assert_eq!(scene.left(), ["a.tar", "from"]);

    let restored = unpack(&written.path, &scene.path("to"), Kind::Bank).unwrap();
    assert!(
        !scene.path("to").exists(),
        "nothing has its name before it is asked for"
    );
    assert_eq!((restored.head.clone(), restored.files), (Scene::head(), 4));
    assert_eq!(restored.finish().unwrap(), Scene::head());
    let to = scene.path("to");
    assert_eq!(fs::read(to.join("identity/key")).unwrap(), b"secret");
    assert_eq!(mode(&to.join("identity/key")), 0o600);
    assert_eq!(fs::read(to.join("deep/er/a")).unwrap(), vec![7; 100_000]);
    assert_eq!(fs::read(to.join("deep/empty")).unwrap(), b"");
    assert!(!to.join("deep/er/.scrap").exists());
    assert_eq!(scene.left(), ["a.tar", "from", "to"]);
}

#[test]
fn nothing_is_overwritten() {
    let scene = Scene::new();
    let written = scene.write("a.tar").unwrap();
    assert!(matches!(scene.write("a.tar"), Err(BackupError::Exists { .. })));
    fs::create_dir(scene.path("to")).unwrap();
    let refused = unpack(&written.path, &scene.path("to"), Kind::Bank).unwrap_err();
    assert!(matches!(refused, BackupError::Exists { .. }) && refused.is_usage());
    fs::remove_dir(scene.path("to")).unwrap();
    // It came to be while the archive was read.
    let restored = unpack(&written.path, &scene.path("to"), Kind::Bank).unwrap();
    fs::create_dir(scene.path("to")).unwrap();
    restored.finish().unwrap_err();
    assert_eq!(fs::read_dir(scene.path("to")).unwrap().count(), 0);
    assert_eq!(scene.left(), ["a.tar", "from", "to"]);
}

#[test]
fn whatever_byte_is_damaged_and_wherever_it_is_cut_nothing_is_restored() {
    let scene = Scene::new();
    fs::write(scene.path("from/deep/er/a"), vec![7; 1000]).unwrap();
    let written = scene.write("a.tar").unwrap();
    let whole = fs::read(&written.path).unwrap();
    let damaged = scene.path("b.tar");
    let mut refused = 0;
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&damaged, &bytes).unwrap();
        match unpack(&damaged, &scene.path("to"), Kind::Bank) {
            // Padding behind a file, or a field of the header that nobody reads.
            Ok(restored) => {
                assert_eq!(
                    fs::read(restored.staging().join("identity/key")).unwrap(),
                    b"secret"
                );
                assert_eq!(
                    fs::read(restored.staging().join("deep/er/a")).unwrap(),
                    vec![7; 1000]
                );
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 40, "{refused}");
    for length in (0..whole.len() - 1024).step_by(211) {
        fs::write(&damaged, &whole[..length]).unwrap();
        assert!(
            unpack(&damaged, &scene.path("to"), Kind::Bank).is_err(),
            "{length}"
        );
    }
    // Nothing is left, neither under the name nor beside it.
    assert_eq!(scene.left(), ["a.tar", "b.tar", "from"]);
}

#[test]
fn an_archive_of_the_other_side_or_another_form_is_named() {
    let scene = Scene::new();
    let written = scene.write("a.tar").unwrap();
    let refused = unpack(&written.path, &scene.path("to"), Kind::Coordinator).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("a backup of bank \"bank-a\", expected one of a coordinator"),
        "{refused}"
    );
    fs::write(scene.path("b.tar"), "hello").unwrap();
    let refused = unpack(&scene.path("b.tar"), &scene.path("to"), Kind::Bank).unwrap_err();
    assert!(
        refused.is_usage() && refused.to_string().contains("not a backup"),
        "{refused}"
    );
    let mut head = Scene::head();
    head.format = "veilsum-backup/2".to_owned();
    Writer::create(&scene.path("c.tar"), &head)
        .unwrap()
        .finish()
        .unwrap();
    let refused = unpack(&scene.path("c.tar"), &scene.path("to"), Kind::Bank).unwrap_err();
    assert!(refused.to_string().contains("\"veilsum-backup/2\""), "{refused}");
}

#[test]
fn a_file_that_leads_out_of_the_folder_is_refused() {
    let scene = Scene::new();
    for (name, kind) in [
        ("../out", tar::EntryType::Regular),
        ("/out", tar::EntryType::Regular),
        ("a/../../out", tar::EntryType::Regular),
        ("link", tar::EntryType::Symlink),
        ("hard", tar::EntryType::Link),
        ("pipe", tar::EntryType::Fifo),
    ] {
        let path = scene.path("evil.tar");
        let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        let head = serde_json::to_vec(&Scene::head()).unwrap();
        header.set_mode(0o600);
        header.set_size(head.len() as u64);
        builder.append_data(&mut header, HEAD, head.as_slice()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o600);
        header.set_size(0);
        // By hand: the library does not write such names.
        let bytes = name.as_bytes();
        header.as_gnu_mut().unwrap().name[..bytes.len()].copy_from_slice(bytes);
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
        builder.finish().unwrap();
        let refused = unpack(&path, &scene.path("to"), Kind::Bank).unwrap_err();
        assert!(
            matches!(refused, BackupError::Damaged { .. }),
            "{name}: {refused}"
        );
        assert_eq!(scene.left(), ["evil.tar", "from"]);
    }
}
