//! The measuring program at a tiny size.

#[test]
fn the_measuring_program_prints_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("examples/throughput");
    let output = std::process::Command::new(program)
        .args(["--seconds", "0.05", "--keys", "100", "--tasks", "4", "--window", "8", "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for level in ["fsync", "none"] {
        assert!(report[level]["state"]["puts_per_s"].as_f64().unwrap() > 0.0, "{report:#}");
        assert!(report[level]["topics"]["consumed_per_s"].as_f64().unwrap() > 0.0, "{report:#}");
        assert_eq!(report[level]["topics"]["lost"], 0, "{report:#}");
    }
}
