//! The measuring programs at a tiny size.

/// Runs an example of the engine and reads what it prints.
fn report(example: &str, flags: &[&str]) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("examples").join(example);
    let mut command = std::process::Command::new(program);
    let output = command.args(flags).arg("--folder").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn throughput_prints_its_figures() {
    let report =
        report("throughput", &["--seconds", "0.05", "--keys", "100", "--tasks", "4", "--window", "8"]);
    for level in ["fsync", "none"] {
        assert!(report[level]["state"]["puts_per_s"].as_f64().unwrap() > 0.0, "{report:#}");
        assert!(report[level]["topics"]["consumed_per_s"].as_f64().unwrap() > 0.0, "{report:#}");
        assert_eq!(report[level]["topics"]["lost"], 0, "{report:#}");
    }
}

#[test]
fn a_backlog_is_all_there_after_a_kill_and_its_disk_is_given_back() {
    let report = report("backlog", &["--mib", "200"]);
    assert_eq!(report["lost"], 0, "{report:#}");
    assert_eq!(report["parts"].as_array().map(Vec::len), Some(5), "{report:#}");
    let mib = |name: &str| report[name].as_u64().unwrap();
    assert!(mib("log_mib_before") >= 200 && mib("log_mib_after") <= 128, "{report:#}");
}
