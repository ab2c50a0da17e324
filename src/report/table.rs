//! Text tables in the layout of Go's `text/tabwriter`, as kubeadm uses it: minwidth 10, padding 3, and no
//! padding after the last column.

use super::sanitise::line;

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Columns that a narrow table keeps.
const KEPT: usize = 3;

/// Lays out rows without the last columns that do not fit into `width`.
pub(super) fn narrowed(rows: &[Vec<String>], width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let kept = |columns: usize| -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().take(columns).cloned().collect()).collect()
    };
    let texts = (KEPT.min(columns)..columns).rev().map(|columns| render(&kept(columns)));
    let mut text = render(rows);
    for narrower in texts {
        if fits(&text, width) {
            break;
        }
        text = narrower;
    }
    text
}

/// Lays out rows, or, where they do not fit into `width`, each as a block with a line for each cell.
pub(super) fn table_or_blocks(rows: &[Vec<String>], width: Option<usize>) -> String {
    let text = render(rows);
    let Some((heading, rows)) = rows.split_first().filter(|_| !fits(&text, width)) else { return text };
    let label = heading.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let block = |row: &Vec<String>| -> String {
        let cells = heading.iter().zip(row).filter(|(_, cell)| !cell.trim().is_empty());
        cells.map(|(name, cell)| format!("{name:<label$}  {}\n", line(cell))).collect()
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn fits(text: &str, width: Option<usize>) -> bool {
    width.is_none_or(|width| text.lines().all(|row| row.trim_end().chars().count() <= width))
}

/// Lays out rows of equal length; the first row is the heading.
pub(super) fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let clean: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = clean.iter().filter_map(|row| row.get(column));
        (cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + PADDING).max(MIN_WIDTH)
    };
    let widths: Vec<_> = (0..columns.saturating_sub(1)).map(width).collect();
    let mut out = String::new();
    for row in &clean {
        for (index, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(index) {
                out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
        out.push('\n');
    }
    out
}
