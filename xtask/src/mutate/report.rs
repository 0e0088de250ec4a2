//! What became of all mutants.

use super::operators::{Kind, Mutant};
use super::suite::Fate;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Mutants with reasons: why they change nothing for the worse, or why no test notices. A reason starts with `#`;
/// after it come lines with the name of a file, and below each pairs of lines, `-` before and `+` after,
/// or `+ *` for any change.
#[derive(Debug, Default)]
pub struct Reasons(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    file: String,
    before: String,
    after: String,
    reason: String,
}

impl Reasons {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (mut reason, mut file, mut before) = (String::new(), "", "");
        let mut entries: Vec<Entry> = Vec::new();
        let mut in_reason = false;
        for line in text.lines() {
            let continues = in_reason;
            in_reason = line.starts_with('#');
            match line.split_at_checked(1) {
                None => {}
                Some(("#", text)) if continues => reason = format!("{reason} {}", text.trim()),
                Some(("#", text)) => reason = text.trim().into(),
                Some(("-", text)) => before = line_of(text),
                Some(("+", text)) => entries.push(Entry {
                    file: file.into(),
                    before: before.into(),
                    after: line_of(text).into(),
                    reason: reason.clone(),
                }),
                Some(_) => file = line.trim(),
            }
        }
        if entries.iter().any(|entry| entry.file.is_empty() || entry.reason.is_empty()) {
            return Err("a mutant in a list wants a reason and a file".into());
        }
        Ok(Self(entries))
    }

    pub fn of(&self, mutant: &Mutant) -> Option<&str> {
        self.0.iter().find(|entry| entry.means(mutant)).map(|entry| entry.reason.as_str())
    }

    /// Those that mean none of the mutants: the shader has changed since, or a line is misspelt.
    #[cfg(test)]
    pub fn idle(&self, mutants: &[Mutant]) -> Vec<String> {
        let idle = self.0.iter().filter(|entry| !mutants.iter().any(|mutant| entry.means(mutant)));
        idle.map(|Entry { file, before, after, .. }| format!("{file}\n- {before}\n+ {after}"))
            .collect()
    }
}

impl Entry {
    fn means(&self, mutant: &Mutant) -> bool {
        let (before, after) = (mutant.before.trim_end(), mutant.after.trim_end());
        self.file == mutant.file
            && self.before == before
            && (self.after == "*" || self.after == after)
    }
}

/// A line after its sign and a space; how far it is indented tells it from others like it.
fn line_of(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text).trim_end()
}

#[derive(Default)]
struct Row {
    killed: usize,
    survived: usize,
    known: usize,
    discarded: usize,
}

impl Row {
    fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Killed { .. } => self.killed += 1,
            Fate::Survived(_) => self.survived += 1,
            Fate::Known(_) => self.known += 1,
            Fate::Discarded => self.discarded += 1,
        }
    }

    /// The part that is killed, of those that could be.
    fn part(&self) -> f64 {
        let all = self.killed + self.survived;
        if all == 0 { 1.0 } else { self.killed as f64 / all as f64 }
    }
}

#[derive(Default)]
pub struct Report {
    fates: Vec<(Mutant, Fate)>,
}

impl Report {
    pub fn add(&mut self, mutant: &Mutant, fate: Fate) {
        self.fates.push((mutant.clone(), fate));
    }

    pub fn len(&self) -> usize {
        self.fates.len()
    }

    fn row(&self, is: impl Fn(&Mutant) -> bool) -> Row {
        let mut row = Row::default();
        self.fates.iter().filter(|(m, _)| is(m)).for_each(|(_, fate)| row.count(fate));
        row
    }

    pub fn verdict(&self, bar: f64) -> Result<(), String> {
        for (kind, name) in Kind::MUST {
            let survived = self.row(|m| m.kind == kind).survived;
            if survived > 0 {
                return Err(format!("{survived} mutants of a kind that must not survive: {name}"));
            }
        }
        let part = self.row(|_| true).part();
        if part < bar {
            return Err(format!("{:.1} % are killed, of {:.0} %", 100.0 * part, 100.0 * bar));
        }
        Ok(())
    }
}

/// A mutant as a change.
pub fn lines(mutant: &Mutant) -> String {
    let Mutant { file, line, before, after, .. } = mutant;
    format!("shaders/{file}.wgsl:{line}\n    - {}\n    + {}", before.trim(), after.trim())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<String, Vec<&Mutant>> = BTreeMap::new();
        for (mutant, fate) in &self.fates {
            let group = match fate {
                Fate::Known(reason) => format!("known: {reason}"),
                Fate::Survived(Some(reason)) => format!("survived: {reason}"),
                Fate::Survived(None) => "survived, and no reason is listed".into(),
                Fate::Killed { listed: true } => "killed, though listed as a survivor".into(),
                Fate::Killed { .. } | Fate::Discarded => continue,
            };
            groups.entry(group).or_default().push(mutant);
        }
        for (group, mut mutants) in groups {
            mutants.sort_by_key(|mutant| (&mutant.file, mutant.line));
            writeln!(f, "\n{group} ({})", mutants.len())?;
            mutants.iter().try_for_each(|m| writeln!(f, "  {}", lines(m)))?;
        }
        let head = ["mutants", "killed", "survived", "%", "known", "discarded"];
        let [all, killed, survived, percent, known, discarded] = head;
        writeln!(
            f,
            "\n{:<28}{all:>8}{killed:>8}{survived:>9}{percent:>7}{known:>7}{discarded:>10}",
            "file"
        )?;
        let mut line = |name: &str, row: Row| {
            let Row { killed, survived, known, discarded } = row;
            let (all, percent) = (killed + survived, 100.0 * row.part());
            writeln!(
                f,
                "{name:<28}{all:>8}{killed:>8}{survived:>9}{percent:>7.1}{known:>7}{discarded:>10}"
            )
        };
        let mut files: Vec<&str> = self.fates.iter().map(|(m, _)| m.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        for file in files {
            line(file, self.row(|m| m.file == file))?;
        }
        line("all", self.row(|_| true))?;
        for (kind, name) in Kind::MUST {
            line(name, self.row(|m| m.kind == kind))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(after: &str) -> Mutant {
        let (file, before) = ("walk/sums".into(), "    a = b;".into());
        Mutant { kind: Kind::Barrier, file, line: 3, before, after: after.into() }
    }

    #[test]
    fn known_mutants_have_reasons() {
        let known = Reasons::parse("# It is\n# the same.\nwalk/sums\n-     a = b;\n+     a = c;\n")
            .unwrap();
        assert_eq!(known.of(&mutant("    a = c;")), Some("It is the same."));
        assert_eq!(known.of(&mutant("    a = d;")), None);
        assert!(Reasons::parse("walk/sums\n- a\n+ b\n").is_err());
    }

    #[test]
    fn survivors_fail() {
        let mut report = Report::default();
        report.add(&mutant("1"), Fate::Killed { listed: false });
        report.add(&mutant("2"), Fate::Discarded);
        assert_eq!(report.verdict(0.95), Ok(()));
        report.add(&mutant("3"), Fate::Survived(Some("It is rare.".into())));
        assert!(report.verdict(0.1).unwrap_err().contains("barriers"));
        assert!(report.to_string().contains("50.0"), "{report}");
        assert!(report.to_string().contains("survived: It is rare. (1)"), "{report}");
    }
}
