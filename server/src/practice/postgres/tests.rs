//! Against the real thing: a server is set up, stopped, killed and adopted in a folder of its own.

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("trine-pg-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn count(pg: &PrivatePostgres) -> i64 {
    let client = connect(&pg.url("play")).await.unwrap();
    client.query_one("SELECT count(*) FROM kept", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn it_goes_on_with_the_same_data_after_each_kind_of_end() {
    let folder = Folder::new();
    let pg = PrivatePostgres::at(&folder.0.join("pg")).unwrap();
    assert_eq!(pg.start().await.unwrap(), Found::Nothing);
    pg.create_database("play").await.unwrap();
    pg.create_database("play").await.unwrap();
    let client = connect(&pg.url("play")).await.unwrap();
    client.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)").await.unwrap();

    // A supervisor that comes back finds it running.
    let again = PrivatePostgres::at(&folder.0.join("pg")).unwrap();
    assert_eq!(again.start().await.unwrap(), Found::Running);

    again.stop(Stop::Immediate).await.unwrap();
    assert_eq!(again.start().await.unwrap(), Found::Stopped);
    assert_eq!(count(&again).await, 1);

    // kill -9 leaves the pid file behind.
    kill_process(again.postmaster().unwrap(), Signal::KILL).unwrap();
    while again.answers().await {
        sleep(POLL).await;
    }
    assert_eq!(again.start().await.unwrap(), Found::Stopped);
    assert_eq!(count(&again).await, 1);

    again.stop(Stop::Fast).await.unwrap();
    // A pid file that names a process which is not PostgreSQL.
    fs::write(again.data().join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    assert_eq!(again.start().await.unwrap(), Found::Stopped);
    again.stop(Stop::Fast).await.unwrap();
    assert!(!again.answers().await);
}

#[test]
fn data_of_another_version_is_refused_in_words() {
    let folder = Folder::new();
    fs::create_dir_all(folder.0.join("pg/data")).unwrap();
    fs::write(folder.0.join("pg/data/PG_VERSION"), "9\n").unwrap();
    let words = PrivatePostgres::at(&folder.0.join("pg")).unwrap_err().to_string();
    assert!(words.contains("made by PostgreSQL 9") && words.contains("move that folder away"), "{words}");
}

#[test]
fn a_path_too_long_for_a_socket_is_refused_in_words() {
    let folder = Folder::new();
    let words = PrivatePostgres::at(&folder.0.join("x".repeat(100))).unwrap_err().to_string();
    assert!(words.contains("TRINE_STATE"), "{words}");
}
