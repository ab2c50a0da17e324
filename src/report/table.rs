//! Text tables in the layout of Go's `text/tabwriter`, as kubeadm uses it: minwidth 10, padding 3, and no
//! padding after the last column.

use super::sanitise::line;

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

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
