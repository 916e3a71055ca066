//! Tables in Markdown, aligned for a terminal.

use crate::figures::Figures;

/// Proxies, a line each, with their ratios to each other.
pub(crate) fn gateway(all: &[Figures]) -> String {
    let mut head = ["proxy", "requests per CPU-second", "requests/s", "p50 ms", "p99 ms", "MiB", "failed"]
        .map(str::to_owned)
        .to_vec();
    head.extend(all.iter().map(|figures| format!("x {}", figures.name)));
    let lines = all.iter().map(|figures| {
        let mut line = vec![
            figures.name.clone(),
            format!("{:.0}", figures.requests_per_cpu_second),
            format!("{:.0}", figures.requests_per_second),
            format!("{:.2}", figures.p50_ms),
            format!("{:.2}", figures.p99_ms),
            format!("{:.1}", figures.memory_mib),
            figures.failed.to_string(),
        ];
        line.extend(all.iter().map(|other| match figures.ratios.get(&other.name) {
            Some(ratio) => format!("{ratio:.2}"),
            None => "-".to_owned(),
        }));
        line
    });
    let versions = all.iter().map(|figures| format!("\n{}: {}", figures.name, figures.version));
    render(&head, &lines.collect::<Vec<_>>()) + &versions.collect::<Vec<_>>().concat()
}

/// Features, a line each, beside the first, which has none.
pub(crate) fn costs(all: &[Figures]) -> String {
    let head = ["with", "requests per CPU-second", "x", "ns more per request", "MiB"].map(str::to_owned);
    let plain = all.first().map_or(f64::NAN, |first| first.requests_per_cpu_second);
    let lines = all.iter().map(|figures| {
        let rate = figures.requests_per_cpu_second;
        vec![
            figures.name.clone(),
            format!("{rate:.0}"),
            format!("{:.2}", rate / plain),
            format!("{:+.0}", 1e9 / rate - 1e9 / plain),
            format!("{:.1}", figures.memory_mib),
        ]
    });
    render(&head, &lines.collect::<Vec<_>>())
}

/// A table of text; all columns but the first are to the right.
pub(crate) fn render(head: &[String], lines: &[Vec<String>]) -> String {
    let cells = |column: usize| {
        lines.iter().map(Vec::as_slice).chain([head]).filter_map(move |line| line.get(column))
    };
    let width = |column: usize| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let row = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") }
        });
        format!("|{}\n", padded.collect::<Vec<_>>().concat())
    };
    let rules = widths.iter().enumerate().map(|(column, &width)| {
        if column == 0 {
            format!(" {} |", "-".repeat(width))
        } else {
            format!(" {}: |", "-".repeat(width - 1))
        }
    });
    let rule = format!("|{}\n", rules.collect::<Vec<_>>().concat());
    let rows: Vec<_> = lines.iter().map(|line| row(line)).collect();
    row(head) + &rule + &rows.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns() {
        let line = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = render(&line(["proxy", "rate"]), &[line(["a", "12345"]), line(["longer", "1"])]);
        assert_eq!(table, "| proxy  |  rate |\n| ------ | ----: |\n| a      | 12345 |\n| longer |     1 |\n");
    }
}
