//! A summary as text.

use comfy_table::{Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

use super::super::autoref::Observed;
use super::{Summary, SummaryRow, shown};
use crate::array::Aval;
use crate::variables::{Boxed, Value};

/// A heavy frame around the header, as Flax's tables have it.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('┏', '━', '┳', '┓'))
    .header_lines(ContentLineStyle::new('┃', '┃', '┃'))
    .header_separator(LineStyle::new('┡', '━', '╇', '┩'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .row_separator(LineStyle::new('├', '─', '┼', '┤'))
    .bottom_border(LineStyle::new('└', '─', '┴', '┘'));

pub(super) fn table(summary: &Summary) -> String {
    let mut header = vec!["path", "module", "inputs", "outputs"];
    header.extend(summary.flops.then_some("flops"));
    header.extend(summary.vjp_flops.then_some("vjp_flops"));
    let fixed = header.len();
    header.extend(summary.collections.iter().map(String::as_str));

    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in &summary.rows {
        table.add_row(cells(summary, row));
    }
    let mut total: Vec<Cell> = (1..fixed).map(|_| Cell::new("")).collect();
    total.push(Cell::new("Total").set_alignment(CellAlignment::Right));
    total.extend(summary.collections.iter().map(|name| Cell::new(size(summary.total(name)))));
    table.add_row(total);

    let lines: Vec<String> = table.lines().collect();
    let width = lines.first().map_or(0, |line| line.chars().count());
    let sizes = summary.collections.iter().map(|name| summary.total(name));
    let all = sizes.fold((0, 0), |(count, bytes), (c, b)| (count + c, bytes + b));
    let title = centred(&format!("{} Summary", summary.model), width);
    let caption = centred(&format!("Total Parameters: {}", size(all)), width);
    format!("\n{title}\n{}\n{}\n{caption}\n\n", lines.join("\n"), " ".repeat(width))
}

fn cells(summary: &Summary, row: &SummaryRow) -> Vec<String> {
    let module = match row.method() {
        "call" => row.module().to_owned(),
        method => format!("{} ({method})", row.module()),
    };
    let mut cells = vec![row.path().join("/"), module, inputs(row), observed(row.output()).text()];
    cells.extend(row.flops().map(|flops| flops.to_string()));
    cells.extend(row.vjp_flops().map(|flops| flops.to_string()));
    cells.extend(summary.collections.iter().map(|collection| {
        let parts = [
            shown(row, collection).map(|dict| outline(&Value::Dict(dict.clone())).text()).unwrap_or_default(),
            size(row.size(collection)),
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }));
    cells
}

fn inputs(row: &SummaryRow) -> String {
    match row.inputs() {
        [] => String::new(),
        [(_, only)] => observed(only).text(),
        several => Outline::List(several.iter().map(|(name, input)| argument(name, input)).collect()).text(),
    }
}

/// An argument among others: what is no tensor with its name, since `true` alone does not say what is true.
fn argument(name: &str, input: &Observed) -> Outline {
    match input {
        Observed::Text(text) => Outline::Map(vec![(name.to_owned(), Outline::Text(text.clone()))]),
        Observed::Tree(_) | Observed::Opaque(_) => observed(input),
    }
}

/// What a cell shows, in the form of YAML.
enum Outline {
    Text(String),
    List(Vec<Outline>),
    Map(Vec<(String, Outline)>),
}

impl Outline {
    fn text(&self) -> String {
        self.lines().join("\n")
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Outline::Text(text) => text.lines().map(str::to_owned).collect(),
            Outline::List(items) => {
                let item = |item: &Outline| indented(item.lines(), "- ", "  ");
                items.iter().flat_map(item).collect()
            }
            Outline::Map(entries) => entries.iter().flat_map(|(name, value)| value.entry(name)).collect(),
        }
    }

    fn entry(&self, name: &str) -> Vec<String> {
        match self {
            Outline::Text(text) => vec![format!("{name}: {text}")],
            Outline::List(_) => [vec![format!("{name}:")], self.lines()].concat(),
            Outline::Map(_) => [vec![format!("{name}:")], indented(self.lines(), "  ", "  ")].concat(),
        }
    }
}

fn indented(lines: Vec<String>, first: &str, rest: &str) -> Vec<String> {
    let indent = |(index, line): (usize, String)| format!("{}{line}", if index == 0 { first } else { rest });
    lines.into_iter().enumerate().map(indent).collect()
}

fn observed(observed: &Observed) -> Outline {
    match observed {
        Observed::Tree(value) => outline(value),
        Observed::Text(text) => Outline::Text(text.clone()),
        Observed::Opaque(name) => Outline::Text(name.rsplit("::").next().unwrap_or(name).to_owned()),
    }
}

fn outline(value: &Value) -> Outline {
    match value {
        Value::Tensor(tensor) => Outline::Text(array(tensor.aval())),
        Value::Dict(dict) => {
            Outline::Map(dict.iter().map(|(name, value)| (name.to_owned(), outline(value))).collect())
        }
        Value::Tuple(values) => Outline::List(values.iter().map(outline).collect()),
        Value::Boxed(boxed) => partitioned(boxed),
        other => {
            // Of a struct only the tensors are known by their names.
            let leaves = crate::tree::leaves_with_path(other);
            let entry = |(path, leaf): (crate::tree::Path, &crate::Tensor)| {
                (path.join("."), Outline::Text(array(leaf.aval())))
            };
            if leaves.is_empty() {
                Outline::Text(other.kind())
            } else {
                Outline::Map(leaves.into_iter().map(entry).collect())
            }
        }
    }
}

fn partitioned(boxed: &Boxed) -> Outline {
    let names = boxed.metadata().axis_names();
    match (outline(boxed.value()), names) {
        (Outline::Text(text), Some(names)) => {
            let names: Vec<String> =
                names.into_iter().map(|name| name.unwrap_or_else(|| "None".to_owned())).collect();
            Outline::Text(format!("{text} P({})", names.join(", ")))
        }
        (outline, _) => outline,
    }
}

/// `float32[3,4]`, as JAX's users know it.
fn array(aval: &Aval) -> String {
    let shape: Vec<String> = aval.shape.iter().map(ToString::to_string).collect();
    format!("{}[{}]", aval.dtype, shape.join(","))
}

/// `1,234 (4.9 KB)`; nothing for nothing.
fn size((count, bytes): (usize, usize)) -> String {
    if count == 0 {
        return String::new();
    }
    let bytes = match bytes as f64 {
        b if b > 1e9 => format!("{:.1} GB", b / 1e9),
        b if b > 1e6 => format!("{:.1} MB", b / 1e6),
        b if b > 1e3 => format!("{:.1} KB", b / 1e3),
        b => format!("{b} B"),
    };
    format!("{} ({bytes})", grouped(count))
}

/// With a comma between the thousands.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn centred(text: &str, width: usize) -> String {
    let spare = width.saturating_sub(text.chars().count());
    format!("{}{text}{}", " ".repeat(spare / 2), " ".repeat(spare - spare / 2))
}
