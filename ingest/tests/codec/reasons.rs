//! The page that a `cr_reason` sends people to.

#[test]
fn every_reason_is_documented() {
    let page = include_str!("../../../docs/REASONS.md");
    for reason in schemas::Reason::ALL {
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with(&format!("| `{reason}` |"))).collect();
        assert_eq!(rows.len(), 1, "docs/REASONS.md has {} rows for {reason}", rows.len());
        assert!(
            rows[0].contains(reason.meaning().trim_end_matches('.')),
            "docs/REASONS.md says otherwise about {reason}: {}",
            reason.meaning()
        );
        assert!(rows[0].split('|').filter(|cell| !cell.trim().is_empty()).count() == 4, "{}", rows[0]);
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, schemas::Reason::ALL.len(), "docs/REASONS.md has a row for no reason");
}
