//! The Debian package, made from the binary of this run and really installed: into a copy of this machine's file system
//! that is gone afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::golden::root;

/// What is done inside the copy, as root of it. Each line that begins with a word and a colon is looked at.
const INSIDE: &str = r#"
set -eu
dpkg --force-depends --install "$1" >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }
echo "said: $(grep -c 'Trine is installed' /tmp/dpkg.log)"
echo "way to check: $(grep -c 'set -a; . /etc/trine/secrets.env; trine settings check /etc/trine/trine.toml' /tmp/dpkg.log)"
echo "user: $(getent passwd trine | cut -d: -f6,7)"
for path in /usr/bin/trine /etc/trine /etc/trine/trine.toml /etc/trine/secrets.env /var/lib/trine \
  /usr/lib/systemd/system/trine.service /usr/lib/systemd/system/trine-backup.timer; do
  echo "owner: $(stat -c '%n %U:%G %a' "$path")"
done
echo "version: $(/usr/bin/trine --version)"
echo "secrets: $(sort -u /etc/trine/secrets.env | grep -cE '^TRINE_(SESSION|DATA)_KEY=[0-9a-f]{64}$')"
set -a; . /etc/trine/secrets.env; set +a
echo "settings: $(/usr/bin/trine settings check /etc/trine/trine.toml 2>&1 | tr '\n' ' ')"
before="$(sha256sum /etc/trine/secrets.env /etc/trine/trine.toml)"
for unit in trine.service trine-backup.timer; do
  echo "enabled: $(find /etc/systemd/system -name "$unit" -type l | wc -l) $unit"
done
echo "verify: $(systemd-analyze verify /usr/lib/systemd/system/trine.service /usr/lib/systemd/system/trine-backup.service \
  /usr/lib/systemd/system/trine-backup.timer 2>&1 | grep -i trine | wc -l)"
for unit in trine trine-backup; do
  systemd-analyze security --offline=true --threshold=20 "/usr/lib/systemd/system/$unit.service" >/tmp/security.log 2>&1 \
    && echo "secure: $unit" || { echo "insecure: $unit $(tail -1 /tmp/security.log)"; }
done
# An upgrade keeps what is the desk's own.
dpkg --force-depends --install "$1" >/dev/null 2>&1
[ "$before" = "$(sha256sum /etc/trine/secrets.env /etc/trine/trine.toml)" ] && echo "kept: settings and secrets"
mkdir -p /var/lib/trine/backups && touch /var/lib/trine/backups/one
dpkg --purge trine >/dev/null 2>&1
for path in /usr/bin/trine /etc/trine /usr/lib/systemd/system/trine.service; do
  [ ! -e "$path" ] && echo "purged: $path"
done
[ -e /var/lib/trine/backups/one ] && echo "left: backups"
"#;

fn build(folder: &Path) -> PathBuf {
    let cargo_deb = std::env::var_os("CARGO_DEB_EXE").expect("CARGO_DEB_EXE: run the tests with script/test");
    let package = folder.join("trine.deb");
    // Where a release would have been built.
    let target = folder.join("target");
    std::fs::create_dir_all(target.join("release")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_trine"), target.join("release/trine")).unwrap();
    let built = Command::new(cargo_deb)
        .args(["--no-build", "--no-strip", "--locked"])
        .args(["--compress-type", "gzip", "--compress-system", "--fast", "--output"])
        .arg(&package)
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    package
}

/// Runs the script in a file system of its own over this machine's: what it writes is nowhere afterwards.
fn installed(package: &Path) -> String {
    let place = package.parent().unwrap().join("copy");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(package.parent().unwrap().join("inside"), INSIDE).unwrap();
    let outside = r#"
        set -eu
        place="$1"; package="$2"; inside="$3"
        mount -t tmpfs tmpfs "$place"
        mkdir "$place/new" "$place/work" "$place/root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$place/new,workdir=$place/work" "$place/root"
        mount -t proc proc "$place/root/proc" 2>/dev/null || mount --rbind /proc "$place/root/proc"
        mount --rbind /dev "$place/root/dev"
        cp "$package" "$place/root/tmp/trine.deb"
        cp "$inside" "$place/root/tmp/inside"
        exec chroot "$place/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
          sh /tmp/inside /tmp/trine.deb
    "#;
    let alone: &[&str] =
        if rustix::process::getuid().is_root() { &["--mount"] } else { &["--mount", "--user", "--map-root-user"] };
    let inside = package.parent().unwrap().join("inside");
    let done = Command::new("unshare")
        .args(alone)
        .args(["sh", "-c", outside, "sh"])
        .args([&place, package, &inside])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    said
}

#[test]
fn the_debian_package_installs_the_desk_with_hardened_units_and_purges_all_but_its_backups() {
    let folder = std::env::temp_dir().join(format!("trine-deb-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let said = installed(&build(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    let version = concat!("version: trine ", env!("CARGO_PKG_VERSION"));
    for line in [
        "said: 1",
        "way to check: 1",
        "user: /var/lib/trine:/usr/sbin/nologin",
        "owner: /usr/bin/trine root:root 755",
        "owner: /etc/trine root:trine 750",
        "owner: /etc/trine/trine.toml root:trine 640",
        "owner: /etc/trine/secrets.env root:trine 640",
        "owner: /var/lib/trine trine:trine 700",
        "owner: /usr/lib/systemd/system/trine.service root:root 644",
        "owner: /usr/lib/systemd/system/trine-backup.timer root:root 644",
        version,
        "secrets: 2",
        "enabled: 1 trine.service",
        "enabled: 1 trine-backup.timer",
        "verify: 0",
        "secure: trine",
        "secure: trine-backup",
        "kept: settings and secrets",
        "purged: /usr/bin/trine",
        "purged: /etc/trine",
        "purged: /usr/lib/systemd/system/trine.service",
        "left: backups",
    ] {
        assert!(said.lines().any(|one| one == line), "{line} is missing:\n{said}");
    }
    // What is left to say about fresh settings is what only the operator can know.
    let settings = said.lines().find(|line| line.starts_with("settings:")).unwrap();
    assert!(!settings.contains("secret") && !settings.contains("change-me"), "{settings}");
}
