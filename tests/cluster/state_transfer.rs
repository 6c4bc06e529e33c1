//! From one process to a cluster and back, with the state in a file.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::harness::{Cluster, terminate};

#[test]
fn a_host_grows_to_a_cluster_and_shrinks_again_without_a_lost_post_or_a_doubled_answer() {
    let cluster = Cluster::new();
    let alone = cluster.start_alone("alone");
    cluster.post_to_each("before");
    cluster.await_answers(0);
    let (succeeds, held) = cluster.try_command("alone", &["state", "export", "held.jsonl"]);
    assert!(!succeeds && held.contains("a matterhost is running from"), "{held}");
    terminate(alone);
    cluster.post_to_each("while it grows");
    let exported = cluster.command("alone", &["state", "export", "grow.jsonl"]);
    assert!(exported.starts_with("exported 12 accounts with "), "{exported}");
    let mode = fs::metadata(cluster.path("grow.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    cluster.configure("a", "[admin]\nenabled = false\n");
    for had_all in [0, 12] {
        let imported = cluster.command("a", &["state", "import", "grow.jsonl"]);
        assert!(
            imported.starts_with(&format!("imported 12 accounts: {had_all} had all of it")),
            "{imported}"
        );
    }

    let a = cluster.start("a");
    cluster.await_answers(0);
    for command in ["import", "export"] {
        let file = format!("{command}.jsonl");
        fs::copy(cluster.path("grow.jsonl"), cluster.path("import.jsonl")).unwrap();
        let (succeeds, held) = cluster.try_command("a", &["state", command, &file]);
        assert!(!succeeds && held.contains("members of the cluster run: a; stop them first"), "{held}");
    }
    terminate(a);
    cluster.post_to_each("while it shrinks");
    cluster.command("a", &["state", "export", "shrink.jsonl"]);
    let imported = cluster.command("alone", &["state", "import", "shrink.jsonl"]);
    assert!(imported.contains("12 had some state, with which it was merged"), "{imported}");
    let alone = cluster.start_alone("alone");
    cluster.await_answers(0);
    terminate(alone);
    cluster.check_answers(0);
}
