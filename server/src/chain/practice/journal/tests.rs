use std::path::PathBuf;

use super::*;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trine-journal-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("chain")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn written(folder: &Folder, bodies: &[&[u8]]) -> Vec<u8> {
    let (mut journal, _) = Journal::open(&folder.file()).unwrap();
    for body in bodies {
        journal.append(body).unwrap();
    }
    journal.sync().unwrap();
    std::fs::read(folder.file()).unwrap()
}

#[test]
fn what_was_written_is_read_in_order() {
    let folder = Folder::new("order");
    written(&folder, &[b"one", b"", b"three"]);
    let (mut journal, bodies) = Journal::open(&folder.file()).unwrap();
    assert_eq!(bodies, [b"one".to_vec(), vec![], b"three".to_vec()]);
    journal.append(b"four").unwrap();
    drop(journal);
    assert_eq!(Journal::open(&folder.file()).unwrap().1.len(), 4);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_kept_beside() {
    let folder = Folder::new("torn");
    let whole = written(&folder, &[b"first", b"second"]);
    let second = whole.len() - (8 + b"second".len());
    for length in 0..whole.len() {
        std::fs::write(folder.file(), &whole[..length]).unwrap();
        let (mut journal, bodies) = Journal::open(&folder.file()).unwrap();
        let expected: &[Vec<u8>] = if length >= second { &[b"first".to_vec()] } else { &[] };
        assert_eq!(bodies, expected, "cut at {length}");
        journal.append(b"next").unwrap();
        drop(journal);
        let (_, bodies) = Journal::open(&folder.file()).unwrap();
        assert_eq!(bodies.last().unwrap(), b"next", "cut at {length}");
    }
    assert_eq!(std::fs::read(tail_path(&folder.file(), second)).unwrap(), whole[second..whole.len() - 1]);
}

#[test]
fn a_record_with_one_wrong_bit_is_not_read() {
    let folder = Folder::new("bit");
    let mut whole = written(&folder, &[b"first", b"second"]);
    *whole.last_mut().unwrap() ^= 1;
    std::fs::write(folder.file(), &whole).unwrap();
    assert_eq!(Journal::open(&folder.file()).unwrap().1, [b"first".to_vec()]);
}

#[test]
fn a_second_process_is_refused_in_words() {
    let folder = Folder::new("lock");
    let _held = Journal::open(&folder.file()).unwrap();
    let error = Journal::open(&folder.file()).unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[test]
fn another_file_is_left_alone() {
    let folder = Folder::new("other");
    std::fs::write(folder.file(), b"somebody's letter").unwrap();
    assert!(Journal::open(&folder.file()).is_err());
    assert_eq!(std::fs::read(folder.file()).unwrap(), b"somebody's letter");
}
