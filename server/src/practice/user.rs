//! The user a program runs as when we are root and it must not be.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use anyhow::{Context, bail, ensure};

/// Debian's PostgreSQL package makes the first; the second is everywhere.
const NAMES: [&str; 2] = ["postgres", "nobody"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unprivileged {
    pub uid: u32,
    pub gid: u32,
}

impl Unprivileged {
    /// `None` when we are not root and need nobody else.
    pub fn if_root() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd")?;
        for name in NAMES {
            if let Some(user) = passwd.lines().find_map(|line| named(line, name)) {
                return Ok(Some(user));
            }
        }
        bail!("PostgreSQL refuses to run as root, and there is no user \"postgres\" or \"nobody\" to run it as.")
    }

    /// Makes the folder this user's, and says in words when a folder above it keeps the user out.
    pub fn take_over(&self, folder: &Path) -> anyhow::Result<()> {
        for above in folder.ancestors().skip(1) {
            let about = fs::metadata(above)?;
            let may_pass = match (about.uid() == self.uid, about.gid() == self.gid) {
                (true, _) => about.mode() & 0o100 != 0,
                (_, true) => about.mode() & 0o010 != 0,
                _ => about.mode() & 0o001 != 0,
            };
            ensure!(
                may_pass,
                "PostgreSQL cannot run as root, and the user it runs as may not enter {}. Set TRINE_STATE to a folder elsewhere.",
                above.display()
            );
        }
        chown(folder, Some(self.uid), Some(self.gid)).with_context(|| format!("chown {}", folder.display()))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        Ok(())
    }
}

fn named(line: &str, name: &str) -> Option<Unprivileged> {
    let fields: Vec<&str> = line.split(':').collect();
    let [found, _, uid, gid, ..] = fields.as_slice() else { return None };
    (*found == name).then_some(Unprivileged { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}
