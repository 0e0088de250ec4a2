//! What may go wrong in a line of WGSL: every way gives a mutant.
//!
//! The shaders are formatted alike: a binary operator stands between spaces, a statement ends its
//! line. So lines of text are enough, and nothing here parses.

/// A line of a shader, changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutant {
    pub kind: Kind,
    /// Under `shaders`, without its ending.
    pub file: String,
    /// From 1.
    pub line: usize,
    pub before: String,
    pub after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Barrier,
    Epsilon,
    Count,
    MeanPair,
    Operator,
    Index,
    Number,
    Name,
    Select,
    Statement,
}

impl Kind {
    /// Those of which no mutant may survive.
    pub const MUST: [(Kind, &'static str); 4] = [
        (Kind::Barrier, "barriers"),
        (Kind::Epsilon, "epsilon"),
        (Kind::Count, "m and m - 1"),
        (Kind::MeanPair, "mean as a pair"),
    ];
}

/// Text that stands for other text, wherever it is.
const TEXTS: &[(Kind, &str, &str)] = &[
    (Kind::Barrier, "workgroupBarrier();", ""),
    (Kind::Epsilon, " + params.epsilon", ""),
    (Kind::Count, "count - 1.0", "count"),
    (Kind::Count, "select(count, 1.0,", "select(count - 1.0, 1.0,"),
    (Kind::Count, "across(m.sum) / count", "across(m.sum) / (count - 1.0)"),
    (Kind::Count, "select(params.count, m.count,", "select(params.count - 1.0, m.count,"),
    (Kind::Count, "select(params.count, m.count,", "select(params.count, m.count - 1.0,"),
    (Kind::Count, "vec4f(params.count)", "vec4f(params.count - 1.0)"),
    (Kind::Count, "select(counted,", "select(counted - 1.0,"),
    (Kind::MeanPair, " - a.remainder", ""),
    (Kind::MeanPair, "a.shift - rest", "a.shift"),
    (Kind::MeanPair, " - s.affine.remainder * slope", ""),
    (Kind::MeanPair, "n.affine.pivot + n.affine.remainder", "n.affine.pivot"),
    (Kind::MeanPair, "m.pivot, remainder, inv_std", "m.pivot, vec4f(), inv_std"),
    (Kind::MeanPair, "ROW_REMAINDER, p, n.affine.remainder", "ROW_REMAINDER, p, vec4f()"),
    (Kind::MeanPair, "work_row(ROW_REMAINDER, p)", "vec4f()"),
    (Kind::MeanPair, "a.remainder.x", "0.0"),
    (Kind::MeanPair, "remainders[k] = all[1]", "remainders[k] = vec4f()"),
    (Kind::MeanPair, "a0.remainder.x", "0.0"),
    (Kind::MeanPair, "(m.pivot - before.mean) + remainder", "(m.pivot - before.mean)"),
    (Kind::Operator, " < ", " <= "),
    (Kind::Operator, " <= ", " < "),
    (Kind::Operator, " > ", " >= "),
    (Kind::Operator, " >= ", " > "),
    (Kind::Operator, " == ", " != "),
    (Kind::Operator, " != ", " == "),
    (Kind::Operator, " + ", " - "),
    (Kind::Operator, " - ", " + "),
    (Kind::Operator, " * ", " / "),
    (Kind::Operator, " / ", " * "),
    (Kind::Operator, " % ", " / "),
    (Kind::Operator, " += ", " -= "),
    (Kind::Operator, " -= ", " += "),
    (Kind::Operator, " *= ", " /= "),
    (Kind::Operator, " && ", " || "),
    (Kind::Operator, " || ", " && "),
    (Kind::Operator, " & ", " | "),
    (Kind::Operator, " | ", " & "),
    (Kind::Operator, " >> ", " << "),
    (Kind::Operator, " << ", " >> "),
    (Kind::Operator, " !", " "),
];

/// Names that stand for others.
const NAMES: &[(&str, &str)] = &[
    ("min", "max"),
    ("max", "min"),
    ("true", "false"),
    ("false", "true"),
    ("outer_stride", "inner"),
    ("inner", "outer_stride"),
    ("row_stride", "channels"),
    ("step_at", "step_inner"),
    ("step_inner", "step_at"),
    ("channel_step", "column_step"),
    ("column_step", "channel_step"),
    ("x_at", "y_at"),
    ("y_at", "x_at"),
    ("dy_at", "dx_at"),
    ("dx_at", "dy_at"),
    ("residual_at", "dresidual_at"),
    ("dresidual_at", "residual_at"),
    ("slots", "splits"),
    ("splits", "slots"),
    ("blocks", "tail"),
    ("tail", "blocks"),
    ("pivot", "sum"),
    ("sum", "squares"),
    ("scale", "shift"),
    ("shift", "scale"),
    ("dz", "dz_x"),
    ("dz_x", "dz"),
    ("gamma", "beta"),
];

/// All mutants of a file.
pub fn mutants(file: &str, text: &str) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let mut in_params = false;
    for (index, line) in text.lines().enumerate() {
        // The fields of the parameter block are compared with the host's by a test.
        in_params = line == "struct Params {" || (in_params && line != "}");
        let code = line.split("//").next().unwrap_or_default();
        // An override's value is always given.
        if in_params || code.trim().is_empty() || code.starts_with("override") {
            continue;
        }
        let mut changes = Vec::new();
        texts(code, &mut changes);
        names(code, &mut changes);
        numbers(code, &mut changes);
        indices(code, &mut changes);
        selects(code, &mut changes);
        swaps(code, &mut changes);
        statements(code, &mut changes);
        let rest = &line[code.len()..];
        let mut seen: Vec<String> = vec![code.trim().into()];
        for (kind, after) in changes {
            if !seen.iter().any(|other| other == after.trim()) {
                seen.push(after.trim().into());
                let (before, after) = (line.into(), format!("{after}{rest}"));
                mutants.push(Mutant { kind, file: file.into(), line: index + 1, before, after });
            }
        }
    }
    mutants
}

type Changes = Vec<(Kind, String)>;

fn with(code: &str, start: usize, end: usize, text: &str) -> String {
    format!("{}{text}{}", &code[..start], &code[end..])
}

fn texts(code: &str, changes: &mut Changes) {
    for &(kind, from, to) in TEXTS {
        for (at, _) in code.match_indices(from) {
            changes.push((kind, with(code, at, at + from.len(), to)));
        }
    }
}

/// Words: names and numbers, with where they start.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let length = code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
        at = start + length;
        Some((start, &code[start..at]))
    })
}

fn names(code: &str, changes: &mut Changes) {
    // A declaration's own name may be anything.
    if code.starts_with("fn ") || code.trim_end().ends_with("vec4f,") || code.contains(": u32,") {
        return;
    }
    for (at, word) in words(code) {
        let declares = ["let ", "var ", "const ", "> "].iter().any(|w| code[..at].ends_with(w));
        for &(from, to) in NAMES {
            let is_no_name = matches!(from, "min" | "max" | "true" | "false");
            if word == from && (is_no_name || !declares) {
                changes.push((Kind::Name, with(code, at, at + word.len(), to)));
            }
        }
        // A component, for its neighbour.
        let other = match word {
            "x" => "y",
            "y" => "x",
            "z" => "w",
            "w" => "z",
            _ => continue,
        };
        if code[..at].ends_with('.') {
            changes.push((Kind::Name, with(code, at, at + 1, other)));
        }
    }
}

fn numbers(code: &str, changes: &mut Changes) {
    // What counts bits, bindings or rows of an interface is not meant here.
    if code.starts_with("@group") || code.contains("alias ") {
        return;
    }
    for (at, word) in words(code) {
        if !word.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let end = at + word.len();
        if let Some(digits) = word.strip_suffix('u') {
            let number = match digits.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            let Ok(number) = number else { continue };
            let other = if number == 4 { 3 } else { number.wrapping_add(1) };
            changes.push((Kind::Number, with(code, at, end, &format!("{other}u"))));
        } else if code[end..].starts_with('.') {
            // A float, up to what is no digit or exponent.
            let length = code[end + 1..].find(|c: char| !(c.is_ascii_digit() || c == 'e'));
            let mut end = end + 1 + length.unwrap_or(code.len() - end - 1);
            if code[..end].ends_with('e') {
                let rest = &code[end + 1..];
                end += 1 + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            }
            let number = &code[at..end];
            let zero = number.chars().all(|c| c == '0' || c == '.');
            let other = match number {
                "0.5" => "0.25".into(),
                _ if zero => "1.0".into(),
                _ => format!("(1.01 * {number})"),
            };
            changes.push((Kind::Number, with(code, at, end, &other)));
        }
    }
}

/// Where the bracket that opens at `open` closes.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + at);
        }
    }
    None
}

fn indices(code: &str, changes: &mut Changes) {
    for (open, _) in code.match_indices('[') {
        if let Some(close) = closing(code, open) {
            let index = &code[open + 1..close];
            let other = match index.parse::<u32>() {
                Ok(number) => (number ^ 1).to_string(),
                Err(_) => format!("{index} + 1u"),
            };
            changes.push((Kind::Index, with(code, open + 1, close, &other)));
        }
    }
}

fn selects(code: &str, changes: &mut Changes) {
    for (at, _) in code.match_indices("select(") {
        let open = at + "select".len();
        let Some(close) = closing(code, open) else { continue };
        let mut commas = Vec::new();
        let mut depth = 0;
        for (at, c) in code[open..close].char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                ',' if depth == 1 => commas.push(open + at),
                _ => {}
            }
        }
        if let [first, second] = commas[..] {
            let (a, b) = (code[open + 1..first].trim(), code[first + 1..second].trim());
            changes.push((Kind::Select, with(code, open + 1, second, &format!("{b}, {a}"))));
        }
    }
}

/// Operands of − and / change places.
fn swaps(code: &str, changes: &mut Changes) {
    for operator in [" - ", " / "] {
        for (at, _) in code.match_indices(operator) {
            let right = at + operator.len();
            let (start, end) = (operand_before(code, at), operand_after(code, right));
            if start < at && end > right {
                let swapped = format!("{}{operator}{}", &code[right..end], &code[start..at]);
                changes.push((Kind::Operator, with(code, start, end, &swapped)));
            }
        }
    }
}

/// Where the name, number, call or bracket that ends at `end` starts.
fn operand_before(code: &str, end: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[..end].char_indices().rev() {
        match c {
            ')' | ']' => depth += 1,
            '(' | '[' if depth == 0 => return at + 1,
            '(' | '[' => depth -= 1,
            _ if depth > 0 => {}
            _ if c.is_ascii_alphanumeric() || c == '_' || c == '.' => {}
            _ => return at + c.len_utf8(),
        }
    }
    0
}

fn operand_after(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' if depth == 0 => return start + at,
            ')' | ']' => depth -= 1,
            _ if depth > 0 => {}
            _ if c.is_ascii_alphanumeric() || c == '_' || c == '.' => {}
            _ => return start + at,
        }
    }
    code.len()
}

/// An assignment, a call, or a whole `if` of one line goes away.
fn statements(code: &str, changes: &mut Changes) {
    let statement = code.trim();
    let declares = ["let ", "var", "const ", "return", "@", "}", "alias ", "for ", "_ ="];
    let ends =
        statement.ends_with(';') || (statement.starts_with("if ") && statement.ends_with('}'));
    let balanced = statement.matches('(').count() == statement.matches(')').count();
    if ends && balanced && !declares.iter().any(|word| statement.starts_with(word)) {
        changes.push((Kind::Statement, String::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(line: &str) -> Vec<String> {
        mutants("file", line).into_iter().map(|m| m.after).collect()
    }

    #[test]
    fn comments_and_overrides_stay() {
        assert!(mutants("file", "// a - b\n\noverride X: bool = true; // x\n").is_empty());
        assert_eq!(after("    a = b; // 1 - 2"), ["// 1 - 2"]);
    }

    #[test]
    fn operands_change_places() {
        let all = after("    return f(a.x, 1) - b[c - d];");
        assert!(all.contains(&"    return b[c - d] - f(a.x, 1);".into()), "{all:?}");
        assert!(all.contains(&"    return f(a.x, 1) - b[d - c];".into()), "{all:?}");
        assert!(all.contains(&"    return f(a.x, 1) - b[c - d + 1u];".into()), "{all:?}");
    }

    #[test]
    fn arms_and_numbers_change() {
        let all = after("    return select(f(a, b), 4u, c < 0.5);");
        assert_eq!(
            all,
            [
                "    return select(f(a, b), 4u, c <= 0.5);",
                "    return select(f(a, b), 3u, c < 0.5);",
                "    return select(f(a, b), 4u, c < 0.25);",
                "    return select(4u, f(a, b), c < 0.5);",
            ]
        );
        assert_eq!(after("const SMALL = 5.96e-8;"), ["const SMALL = (1.01 * 5.96e-8);"]);
    }

    #[test]
    fn what_must_be_noticed_is_told_apart() {
        let kinds =
            |line: &str| mutants("file", line).into_iter().map(|m| m.kind).collect::<Vec<_>>();
        assert_eq!(kinds("    workgroupBarrier();"), [Kind::Barrier]);
        assert!(kinds("    let v = sqrt(a + params.epsilon);").contains(&Kind::Epsilon));
        assert!(
            kinds("    return Sums(g.dz, g.dz * (g.deviation - a.remainder));")
                .contains(&Kind::MeanPair)
        );
        assert!(kinds("    let v = select(count, count - 1.0, u);").contains(&Kind::Count));
    }
}
