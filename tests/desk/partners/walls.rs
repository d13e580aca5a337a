//! Partners have no other way in than everybody, and the desk does not know them.

use std::fs;
use std::process::Command;

use crate::golden::root;

/// Their words and passwords are in a folder that only they can read, and the room of partners names no other part of
/// the desk: the rooms' wall reads that. Here: nothing that serves names them.
#[test]
fn what_serves_the_desk_does_not_know_partners() {
    let server = root().join("server/src");
    let mut read = vec![server.join("app.rs"), server.join("settings.rs"), server.join("telemetry.rs")];
    for room in ["domain", "escrow", "store", "chain", "desk", "web", "settings"] {
        collect(&server.join(room), &mut read);
    }
    assert!(read.len() > 200, "the whole server is read");
    for file in read {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for name in ["crate::partners", "partners::", "trine partners"] {
            assert!(!code.contains(name), "{} names {name}", file.display());
        }
    }
}

fn collect(folder: &std::path::Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn partners_need_no_settings_and_no_database_and_end_with_who_started_them() {
    let folder = std::env::temp_dir().join(format!("trine-partners-{}", uuid::Uuid::new_v4().simple()));
    let out = Command::new(env!("CARGO_BIN_EXE_trine"))
        .args(["partners", "--desk", "http://127.0.0.1:9", "--until-stdin-closes", "--folder"])
        .arg(&folder)
        .env_remove("DATABASE_URL")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let file = folder.join("people.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
}
